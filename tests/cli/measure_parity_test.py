"""Tests of `gpt_keras.cli.measure_parity`."""

import pytest

from gpt_keras.cli import measure_parity
from gpt_keras.cli import program


def _main(*arguments):
    values = program.parse(
        measure_parity.define_flags,
        "--optimizers=adamw",
        "--precisions=float32",
        "--steps=3",
        *arguments,
    )
    return measure_parity.main(values)


def test_two_replicas_are_compared_with_one(capsys):
    arguments = ("--microbatches=2", "--replicas=1,2")
    assert _main(*arguments) == 0
    title, one, two, largest = capsys.readouterr().out.splitlines()
    assert one.split() == ["adamw", "float32", "2", "1", "0.0e+00", "0.0e+00"]
    assert two.split()[:4] == ["adamw", "float32", "2", "2"]
    assert 0 < float(two.split()[5]) < 1e-5
    assert largest.split()[-1] == two.split()[4]


def test_a_difference_is_told(monkeypatch, capsys):
    def found(replicas, **options):
        return {"losses": [1.0, 2.0 + replicas], "weights": [0.5 * replicas]}

    monkeypatch.setattr(measure_parity, "_run", found)
    assert _main("--microbatches=1", "--replicas=1,2") == 1
    assert "2       1.0e+00  5.0e-01" in capsys.readouterr().out


def test_gpus_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="number of GPUs, 0.*replicas=2"):
        measure_parity.train(2, "adamw", "float32", 1, 3, False, "GPU")


def test_an_optimizer_that_is_not_there_is_refused_at_once():
    values = program.parse(
        measure_parity.define_flags, "--optimizers=sgd,Adamz"
    )
    with pytest.raises(ValueError, match="keras.optimizers. Received: 'Adamz'"):
        measure_parity.main(values)

"""Tests of `gpt_keras.cli.measure_loading`."""

import re

import pytest

from gpt_keras.cli import measure_loading
from gpt_keras.cli import program


def _main(*arguments):
    sizes = ("--vocab_size=50", "--d_model=128", "--num_heads=2")
    sizes += ("--num_layers=2", "--max_length=8")
    values = program.parse(measure_loading.define_flags, *sizes, *arguments)
    return measure_loading.main(values)


def test_a_process_of_its_own_loads_it(capsys):
    assert _main("--limit=1e9", "--dtype=bfloat16") == 0
    line = capsys.readouterr().out
    assert re.match(r"weights 2 MB, peak above the imports \d+ MB: ", line)


@pytest.mark.parametrize(("limit", "status"), [(1.2, 0), (1.15, 1)])
def test_the_limit_decides(monkeypatch, capsys, limit, status):
    found = {"weights": 100e6, "before": 50e6, "peak": 168e6}
    monkeypatch.setattr(program, "run_alone", lambda *arguments: found)
    assert _main(f"--limit={limit}") == status
    expected = "weights 100 MB, peak above the imports 118 MB: 1.180 times"
    assert capsys.readouterr().out.startswith(expected)


def test_a_folder_of_these_sizes_is_written(tmp_path, capsys):
    values = program.parse(
        measure_loading.define_flags,
        "--vocab_size=50",
        "--d_model=16",
        "--num_heads=2",
        "--num_layers=3",
        "--max_length=8",
    )
    measure_loading.write_random_folder(tmp_path, values)
    found = measure_loading.load(tmp_path)
    expected = 4 * (58 * 16 + 32 + 3 * (12 * 16 * 16 + 13 * 16))
    assert found["weights"] == expected
    assert found["peak"] >= found["before"] > 0

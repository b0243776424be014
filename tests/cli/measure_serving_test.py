"""Tests of `gpt_keras.cli.measure_serving`: what is wrong is counted."""

import json

import pytest
from client_testing import FakeModel

from gpt_keras.cli import measure_serving
from gpt_keras.cli import program


class FakeServer:
    """In place of `ServerProcess`, a model that is made up."""

    model = None

    def __init__(self, directory, version_dir, flags):
        self.flags = flags

    def __enter__(self):
        self.context = self.model.serving()
        self.servers = {"REST": self.context.__enter__()}
        return self

    def __exit__(self, *unused):
        pass

    def stop(self):
        self.context.__exit__(None, None, None)
        return 0

    def memory(self):
        return 2**20


@pytest.fixture
def measure(monkeypatch, tmp_path, capsys):
    """Runs the program against a model; gives status, JSON and table."""

    def run(model, *arguments):
        monkeypatch.setattr(FakeServer, "model", model)
        monkeypatch.setattr(measure_serving, "ServerProcess", FakeServer)
        flags = ["--version_dir=x", "--transports=REST", "--clients=3"]
        flags += ["--seconds=0.3", "--requests=4", "--new_tokens=5"]
        flags += ["--modes=batched", f"--json={tmp_path / 'figures'}"]
        values = program.parse(measure_serving.define_flags, *flags, *arguments)
        status = measure_serving.main(values)
        figures = json.loads((tmp_path / "figures").read_text())
        return status, figures, capsys.readouterr().out

    return run


def test_good_answers_are_counted(measure):
    status, (figures,), table = measure(FakeModel(), "--bad_share=0")
    row = figures["transports"]["REST"]
    assert status == 0 and figures["right"] and table.endswith("right\n")
    assert row["answered"] > 10 and row["failed"] == row["changed"] == 0
    assert 0 < row["p50"] <= row["p90"] <= row["p99"]
    assert row["rows_per_second"] >= row["per_second"] > 0
    assert figures["memory_mib"]["settled"] is None  # it took no 10 s


def test_failures_changes_and_bad_requests_that_pass_are_wrong(measure):
    class Wrong(FakeModel):
        def _answer(self, handler):
            count = len(self.requests)
            if count > 6 and count % 5 == 0:
                self.requests.append(None)
                handler.answer(500, {}, b'{"error": "broken"}')
                return
            super()._answer(handler)

    model = Wrong()
    status, (figures,), table = measure(model, "--bad_share=0.5")
    row = figures["transports"]["REST"]
    assert status == 1 and not figures["right"] and "WRONG" in table
    assert row["failed"] > 0 and "broken" in json.dumps(row["errors"])
    assert row["bad_not_refused"]  # this model takes any version
    assert row["bad_refused"]  # and hears no difference in a hang-up


def test_a_changed_text_is_wrong(measure):
    class Changing(FakeModel):
        def _generate(self, row):
            answer = super()._generate(row)
            if len(self.requests) > 8:
                answer["completions_bytes"] = {"b64": "AAAA"}
            return answer

    status, (figures,), _ = measure(Changing(), "--bad_share=0")
    row = figures["transports"]["REST"]
    assert status == 1 and row["failed"] == 0
    assert 0 < row["changed"] <= row["answered"]


@pytest.mark.parametrize(
    "flag",
    [
        "--modes=fast",
        "--transports=",
        "--clients=0",
        "--seconds=0",
        "--bad_share=1",
    ],
)
def test_wrong_flags_are_named(measure, flag):
    with pytest.raises(ValueError, match=f"`{flag[2:].split('=')[0]}` must"):
        measure(None, flag)

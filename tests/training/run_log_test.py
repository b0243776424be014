"""Tests of `gpt_keras.training.run_log`."""

import json

from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import read_metrics


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3, 4):
        log.write(step, loss=1.0 / step)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "lo')  # a kill
    assert len(read_metrics(tmp_path)) == 4
    RunLog(tmp_path, 2).write(3, loss=9.0)
    text = (tmp_path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(x["step"], x["loss"]) for x in lines] == [
        (1, 1.0),
        (2, 0.5),
        (3, 9.0),
    ]


def test_what_is_not_finite_is_null(tmp_path):
    RunLog(tmp_path, 0).write(1, loss=float("nan"), seconds=1.0)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 1, "loss": null, "seconds": 1.0}\n'

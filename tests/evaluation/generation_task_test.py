"""Tests of `gpt_keras.evaluation.generation_task`."""

import dataclasses

import pytest

from gpt_keras.evaluation.generation_task import GenerationExample
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.generation_task import run_generation_task

EXAMPLES = [
    GenerationExample(word, (word.upper(), "x"), {"prompt": word}, word, size)
    for word, size in (("one", 3), ("two", 1), ("three", 5), ("four", 2))
]
TASK = GenerationTask(EXAMPLES, ("accuracy", "f1"), baseline_name="copy")


class Writer:
    """Writes prompts in capitals, and may be killed."""

    def __init__(self, batches=99):
        self.seen, self.batches = [], batches

    def __call__(self, prompts):
        if len(self.seen) == self.batches:
            raise KeyboardInterrupt
        self.seen.append(list(prompts))
        return [text.upper() for text in prompts]


def test_texts_come_in_the_order_of_the_examples():
    write, told = Writer(), []
    result = run_generation_task(
        TASK, write, batch_size=3, progress=lambda *x: told.append(x)
    )
    assert write.seen == [["two", "four", "one"], ["three"]]  # by size
    assert result.predictions == ["ONE", "TWO", "THREE", "FOUR"]
    assert result.scores["accuracy"].value == 100
    assert result.baseline["accuracy"].value == 0  # it is cased
    assert result.baseline["f1"].value == 100
    assert told == [(0, 4), (3, 4), (4, 4)]


def test_a_killed_one_goes_on_and_ends_the_same(tmp_path):
    file, same = tmp_path / "partial", {"the model's weights": "w"}
    options = {"batch_size": 2, "partial_file": file, "identity": same}
    with pytest.raises(KeyboardInterrupt):
        run_generation_task(TASK, Writer(1), **options)
    write = Writer()
    result = run_generation_task(TASK, write, **options)
    assert write.seen == [["one", "three"]] and result.resumed == 2
    whole = run_generation_task(TASK, Writer())
    assert result.predictions == whole.predictions
    assert result.scores == whole.scores
    for task, identity, name in (
        (TASK, {"the model's weights": "v"}, "the model's weights: w there"),
        (
            dataclasses.replace(TASK, settings={"max_new_tokens": 1}),
            same,
            "the settings",
        ),
        (GenerationTask(EXAMPLES[:3], ("f1",)), same, "the examples"),
    ):
        with pytest.raises(ValueError, match=name):
            run_generation_task(
                task, Writer(), partial_file=file, identity=identity
            )
    # Other metrics are of the same texts.
    other = dataclasses.replace(TASK, metrics=("chrf",))
    assert run_generation_task(other, Writer(0), **options).resumed == 4
    file.write_bytes(file.read_bytes() + b"[[0, 1]]\n")
    with pytest.raises(ValueError, match="Line 4 is damaged"):
        run_generation_task(TASK, Writer(), **options)


def test_it_stops_between_batches():
    write = Writer()
    stops = iter([False, True])
    assert (
        run_generation_task(
            TASK, write, batch_size=2, should_stop=lambda: next(stops)
        )
        is None
    )
    assert len(write.seen) == 1


def test_an_example_without_a_baseline_leaves_it_out():
    examples = [EXAMPLES[0], dataclasses.replace(EXAMPLES[1], baseline=None)]
    result = run_generation_task(GenerationTask(examples, ("f1",)), Writer())
    assert result.baseline == {}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="one example or more"):
        GenerationTask([], ("f1",))
    with pytest.raises(ValueError, match="Metrics must be of"):
        GenerationTask(EXAMPLES, ("meteor",))
    with pytest.raises(ValueError, match="0 texts for 4 prompts"):
        run_generation_task(TASK, lambda prompts: [])
    with pytest.raises(ValueError, match="batch_size=0"):
        run_generation_task(TASK, Writer(), batch_size=0)

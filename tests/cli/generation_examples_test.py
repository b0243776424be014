"""Tests of `gpt_keras.cli.generation_examples`."""

import keras
import pytest

from gpt_keras.cli.generation_examples import GREEDY
from gpt_keras.cli.generation_examples import generation_task
from gpt_keras.cli.generation_examples import text_writer
from gpt_keras.data.pair_columns import make_example
from gpt_keras.data.pair_records import Record
from gpt_keras.generation.task_generator import TaskGenerator
from gpt_keras.generation.tasks import make_task
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import with_special_tokens
from gpt_keras.text.template import find_template


def _task(template, *records, **options):
    template = find_template(template)
    tokenizer = with_special_tokens(
        CharacterTokenizer("abcdefgh ABC.我爱你"), template.special_tokens
    )
    examples = [make_example(Record("x", row), template) for row in records]
    options = {"max_length": 40, **options}
    return tokenizer, generation_task(examples, tokenizer, **options)


def test_prompts_are_those_of_the_template_and_leave_room():
    row = {"context": "ab ABC cd " * 9, "question": "a b", "answers": ["ABC"]}
    _, task = _task("answer", row)
    assert task.settings["max_new_tokens"] == 20  # half of 40
    (example,) = task.examples
    assert example.size == 20
    fields = {"context": row["context"], "question": row["question"]}
    assert example.prompt == {"fields": fields, "seed": 0}
    assert example.references == ("ABC",) and example.baseline == "ABC"
    assert example.shown == fields and task.metrics == ("exact_match", "f1")


@pytest.mark.parametrize(
    ("template", "row", "options", "expected"),
    [
        ("translate:en-zh", {"en": "a", "zh": "b"}, {}, "zh"),
        ("pair", {"prompt": "a", "response": "我爱 a"}, {}, "zh"),
        ("pair", {"prompt": "我", "response": "a b c 我"}, {}, "en"),
        ("pair", {"prompt": "a", "response": "b"}, {"language": "de"}, "de"),
    ],
)
def test_the_language_is_the_targets(template, row, options, expected):
    assert _task(template, row, **options)[1].language == expected


def test_a_text_to_write_is_cut_in_two_between_words():
    _, task = _task("write", {"text": "abc def gh abc"}, {"text": "我爱你你"})
    first, second = task.examples
    assert first.shown == {"prompt": "abc def"}
    assert first.references == (" gh abc",)
    assert second.shown == {"prompt": "我爱"}
    assert second.references == ("你你",)
    assert task.baseline_scores() == {}
    _, task = _task("write", {"text": "abc def gh abc"}, prompt_share=0)
    assert task.examples[0].prompt == {"fields": {"prompt": ""}, "seed": 0}
    assert task.examples[0].references == ("abc def gh abc",)


def test_settings_are_those_that_the_task_is_served_with():
    row = {"en": "a", "de": "b"}
    _, task = _task("translate:en-de", row, max_new_tokens=9)
    served = make_task(find_template("translate:en-de"), max_new_tokens=9)
    assert task.settings == {
        "template": "translate:en-de",
        "seed": 0,
        **served.decoding,
    }
    assert task.settings["beams"] == 4
    _, task = _task("translate:en-de", row, decoding=GREEDY)
    assert "beams" not in task.settings
    _, task = _task("translate:en-de", row, decoding={"beams": 2})
    assert task.settings["beams"] == 2


@pytest.mark.parametrize("decoding", [{}, {"temperature": 1.0}])
def test_a_writer_gives_what_the_task_gives_text_by_text(decoding):
    rows = [{"en": x, "de": "b"} for x in ("abc", "abc", "a", "h")]
    options = {"decoding": decoding, "max_new_tokens": 8, "seed": 5}
    tokenizer, task = _task("translate:en-de", *rows, **options)
    keras.utils.set_random_seed(0)
    model = GPTModel(
        tokenizer.vocab_size,
        8,
        2,
        16,
        40,
        num_layers=1,
        initializer_stddev=0.6,
    )
    write = text_writer(model, tokenizer, task.settings)
    texts = write([example.prompt for example in task.examples])
    served = TaskGenerator(
        model,
        tokenizer,
        make_task(
            find_template("translate:en-de"), max_new_tokens=8, **decoding
        ),
    )
    alone = [
        served.run({"seed": 5 + n} if decoding else None, source=row["en"])
        for n, row in enumerate(rows)
    ]
    assert texts == [one.text for one in alone]
    assert (texts[0] == texts[1]) == (not decoding)


def test_prompts_that_are_too_long_may_be_left_out():
    rows = [
        {"context": "a", "question": x, "answers": []} for x in ("b" * 30, "c")
    ]
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("answer", *rows)
    _, task = _task("answer", *rows, leave_out=True)
    assert [x.shown["question"] for x in task.examples] == ["c"]
    assert task.examples[0].references == ("",)
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("answer", rows[0], leave_out=True)


def test_bad_input_is_named():
    row = {"prompt": "a", "response": "b"}
    with pytest.raises(ValueError, match="prompt_share=1"):
        _task("write", {"text": "a"}, prompt_share=1)
    with pytest.raises(ValueError, match="one pair or more"):
        _task("pair")
    with pytest.raises(ValueError, match="from 1 to 39.*max_new_tokens=40"):
        _task("pair", row, max_new_tokens=40)
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("pair", row, max_length=2, max_new_tokens=1)

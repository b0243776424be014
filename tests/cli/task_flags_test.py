"""Tests of `gpt_keras.cli.task_flags`."""

import pytest

from gpt_keras.cli import export
from gpt_keras.cli import generate
from gpt_keras.cli import program
from gpt_keras.cli import task_flags
from gpt_keras.text.template import find_template


def tasks_of(*flags):
    needed = ["--model_dir=a", "--output=b"]
    return task_flags.tasks(program.parse(export.define_flags, *needed, *flags))


def fields_of(name, *flags):
    values = program.parse(generate.define_flags, "--model_dir=a", *flags)
    return task_flags.fields(values, find_template(name))


def test_a_task_has_its_own_settings_then_the_flags_then_the_defaults(tmp_path):
    path = tmp_path / "tasks.json"
    path.write_text('{"translate": {"beams": 2, "max_new_tokens": 60}}')
    names = "--task=translate,translate:zh-en,answer"
    flags = [f"--task_defaults={path}", "--max_new_tokens=7"]
    made = tasks_of(names, *flags, "--answer_from=context")
    assert [one.name for one in made] == names[7:].split(",")
    assert [one.signature for one in made][1] == "translate_zh_en"
    assert [one.beams for one in made] == [2, 4, 0]
    assert dict(made[0].settings) == {"max_new_tokens": 60}
    assert dict(made[1].settings) == {"max_new_tokens": 7}
    assert dict(made[2].settings) == {"max_new_tokens": 7, "temperature": 0.0}
    assert [one.answer_from for one in made] == [None, None, "context"]
    assert tasks_of() == []


def test_a_setting_for_drawing_turns_default_beams_off():
    flags = "--task=summarise", "--temperature=0.5", "--no_repeat_ngram=4"
    (task,) = tasks_of(*flags)
    assert task.beams == 0
    assert dict(task.settings) == {"no_repeat_ngram": 4, "temperature": 0.5}
    searching = task.with_settings(beams=3)
    assert searching.beams == 3
    assert dict(searching.settings) == {"no_repeat_ngram": 4}


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        ("{", ["--task=answer"], "must be JSON"),
        ('{"answer": 3}', ["--task=answer"], "settings for each task"),
        ('{"answer": {}}', ["--task=pair"], "settings of \\['answer'\\]"),
        ('{"pair": {"warmth": 1}}', ["--task=pair"], "A setting must be one"),
        ('{"pair": {"beams": "2"}}', ["--task=pair"], "`beams` must be an"),
        ("{}", ["--task=sing"], "A template must be one of"),
        ("{}", ["--answer_from=context"], "needs the task `answer`"),
    ],
)
def test_what_is_no_task_is_refused(tmp_path, content, flags, message):
    path = tmp_path / "tasks.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        tasks_of(f"--task_defaults={path}", *flags)


def test_fields_come_by_name_or_as_prompts():
    named = ["--field=context=a=b", "--field=question=c"]
    assert fields_of("answer", *named) == {"context": "a=b", "question": "c"}
    turns = ["--field=messages=a", "--field=messages=b", "--field=messages=c"]
    assert fields_of("chat", *turns) == {"messages": ["a", "b", "c"]}
    prompts = ["--prompt=a", "--prompt=b"]
    assert fields_of("translate", *prompts) == {"source": ["a", "b"]}
    with pytest.raises(ValueError, match="for a task of one field"):
        fields_of("answer", "--prompt=a")
    with pytest.raises(ValueError, match="must be NAME=TEXT"):
        fields_of("answer", "--field=context")

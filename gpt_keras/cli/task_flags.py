"""The tasks of a model and their fields as flags, and back."""

import json
import pathlib

from absl import flags

from gpt_keras.cli import sampling
from gpt_keras.cli.query_rows import given_fields
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.tasks import make_task
from gpt_keras.text.template import TEMPLATES
from gpt_keras.text.template import find_template

_NAMES = f"{', '.join(TEMPLATES)} or translate:SOURCE-TARGET"


def define_tasks(values) -> None:
    """Defines the flags of several tasks and their settings."""
    flags.DEFINE_list(
        "task",
        [],
        "What the model was trained for, each a signature that takes the "
        f"fields of its template, the first one `serving_default`: {_NAMES}.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "answer_from",
        None,
        "The answers of the task `answer` are parts of this field: `context`.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "task_defaults",
        None,
        "JSON file with the settings of tasks by name, such as "
        '{"translate": {"beams": 4, "max_new_tokens": 60}}.',
        flag_values=values,
    )


def tasks(values) -> list[Task]:
    """Returns the tasks, with the flags for drawing that were given, or what
    the file says in their place.

    Raises:
        ValueError: There is no such task, the file is damaged or has settings
            of another one, or a setting breaks its rule.
        OSError: The file can't be read.
    """
    own = _defaults(values.task_defaults)
    if unknown := sorted(own.keys() - {*values.task}):
        raise ValueError(
            f"`task_defaults` must be of the tasks {values.task}. Received: "
            f"settings of {unknown}"
        )
    given = given_settings(values)
    if values.answer_from is not None:
        if "answer" not in values.task:
            raise ValueError(
                "`answer_from` needs the task `answer`; `task_defaults` sets "
                f"it for others. Received: task={values.task}"
            )
        own["answer"] = {"answer_from": values.answer_from} | own.get(
            "answer", {}
        )
    return [
        make_task(find_template(x), name=x, **given | own.get(x, {}))
        for x in values.task
    ]


def given_settings(values) -> dict:
    """Returns the settings of `sampling` that were given as flags."""
    settings = sampling.settings(values)
    return {name: x for name, x in settings.items() if values[name].present}


def define_fields(values) -> None:
    """Defines the flags of one task and the texts for it."""
    flags.DEFINE_string(
        "task",
        None,
        f"What the model was trained for, instead of a prompt: {_NAMES}.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "field",
        [],
        "NAME=TEXT: a field of the task, several times for several fields; "
        "`messages` several times for what was said in turn. A task of one "
        "field takes `prompt` as well.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "answer_from",
        None,
        "The answer is a part of this field, such as `context`.",
        flag_values=values,
    )


def fields(values, template) -> dict[str, str | list[str]]:
    """Returns the texts of each field.

    Args:
        values: The flags, `prompt` among them.
        template: Of the task.

    Raises:
        ValueError: A flag is no NAME=TEXT, or `prompt` is given for a task of
            several fields or beside them.
    """
    found = given_fields(values.field)
    if not values["prompt"].present:
        return found
    if found or len(template.fields) != 1:
        raise ValueError(
            "`prompt` must be alone, and for a task of one field. Received: "
            f"the fields {list(template.fields)}"
        )
    return {template.fields[0]: values.prompt}


def _defaults(path) -> dict[str, dict]:
    if path is None:
        return {}
    text = pathlib.Path(path).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON: {error}") from None
    if not isinstance(content, dict) or not all(
        isinstance(x, dict) for x in content.values()
    ):
        raise ValueError(
            f"{path} must be an object of settings for each task. Received: "
            f"{text[:80]!r}"
        )
    return content

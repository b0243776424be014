"""A model, its tokenizer and tasks come in, a signature for each task out.

Template, the token that ends the answer and the settings are in the graph: a
client sends the fields and gets the answer.
"""

from collections.abc import Sequence

import tensorflow as tf

from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.task_completion import TaskCompleter
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.tasks import check_tasks
from gpt_keras.serving.signature import Signature
from gpt_keras.serving.signature import strings


def task_signatures(
    model, tokenizer, policy: Policy, tasks: Sequence[Task]
) -> dict[str, Signature]:
    """Returns the signatures of tasks, and `serving_default` for the first.

    That one gives the text alone, so that a client of a task of one field may
    send plain texts and gets plain texts.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row.
        tasks: The tasks; none gives no signature.

    Raises:
        ValueError: A setting breaks the policy's limits, a task comes twice,
            or the tokenizer lacks a special token of one.
    """
    check_tasks(tasks, tokenizer)
    made = {
        task.signature: _signature(model, tokenizer, policy, task)
        for task in tasks
    }
    if not made:
        return {}
    return {"serving_default": _text_alone(next(iter(made.values())))} | made


def check_default(settings: GenerationSettings, policy: Policy) -> None:
    """Checks the default of `max_new_tokens`.

    Args:
        settings: Of one row.
        policy: Its limit holds.

    Raises:
        ValueError: It is beyond the limit.
    """
    limit = policy.max_new_tokens
    if limit is not None and settings.max_new_tokens[0] > limit:
        raise ValueError(
            f"The default of `max_new_tokens` must be at most {limit}, the "
            "limit of the policy. Received: max_new_tokens="
            f"{settings.max_new_tokens[0]}"
        )


def _signature(model, tokenizer, policy, task):
    settings, beams = task.row_settings(1, policy.max_beams)
    check_default(settings, policy)
    completer = TaskCompleter(model, tokenizer, task, policy)
    specs = tuple(map(strings, task.template.fields))

    def answer(**fields):
        rows = tf.shape(fields[task.template.truncate])
        made = completer.complete(
            fields,
            GenerationSettings(*_spread(settings, rows)),
            None if beams is None else BeamSettings(*_spread(beams, rows)),
        )
        return {
            "completions": made.texts,
            "finish_reason": made.finish_reasons,
            "prompt_truncated": made.is_cut,
            "error": made.errors,
        }

    # A function of its own: two signatures that call it share its graph.
    shared = tf.function(answer, autograph=False)
    graph = shared.get_concrete_function(**{x.name: x for x in specs})
    return Signature(graph, specs)


def _text_alone(signature):
    def function(**fields):
        return {"completions": signature.function(**fields)["completions"]}

    return Signature(function, signature.inputs)


def _spread(values, rows):
    return [tf.broadcast_to(value, rows) for value in values]

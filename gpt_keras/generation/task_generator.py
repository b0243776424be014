"""A model, its tokenizer, a task and fields of text come in, answers out."""

import numbers
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.compiled_completion import CompiledCompletion
from gpt_keras.generation.compiled_completion import check_errors
from gpt_keras.generation.drawn_seeds import with_host_seeds
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.setting_values import field_rows
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.task_completion import TaskCompleter
from gpt_keras.generation.tasks import Task


@dataclass(frozen=True)
class TaskResult:
    """What a model answered.

    Attributes:
        text: The answer.
        token_ids: Its tokens; none if the policy redacted or refused it.
        finish_reason: As of `GenerationResult`.
        is_cut: Whether the template's field did not fit into the model.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    is_cut: bool


class TaskGenerator:
    """Answers a task with a model that was trained for it.

    Args:
        model: As of `TextGenerator`.
        tokenizer: The tokenizer that the model was trained with.
        task: Template and settings.
        policy: What holds for every call.

    Raises:
        ValueError: The tokenizer lacks a special token of the template, or
            has ids that the model doesn't know.

    Example:

    >>> translate = TaskGenerator(
    ...     model, tokenizer, make_task(find_template("translate"))
    ... )
    >>> translate.run(source="A dog runs.").text
    """

    def __init__(
        self, model, tokenizer, task: Task, policy: Policy = NO_POLICY
    ):
        self.task = task
        self._completer = TaskCompleter(model, tokenizer, task, policy)
        self._max_beams = policy.max_beams
        self._search: Any = None
        spec = {
            name: tf.TensorSpec([None], tf.string, name)
            for name in task.template.fields
        }
        self._spec = spec
        self._drawing = CompiledCompletion(
            self._completer.completer,
            self._completer.start,
            (spec, SETTINGS_SPEC),
            not policy.hides_tokens,
        )

    def run(
        self, settings: Mapping[str, Any] | None = None, /, **fields
    ) -> TaskResult | list[TaskResult]:
        """Answers one batch.

        Args:
            settings: As for `Task.with_settings`, in place of the task's;
                None for those. `seed` may be a sequence with one for each
                row.
            **fields: By the names of the template's fields, one text or a
                sequence of them for each. `messages` are a conversation, one
                text or an odd number of them, or a sequence of conversations,
                each a list.

        Returns:
            A `TaskResult` for one text, a list of them for several.

        Raises:
            ValueError: A field is missing or unknown, or a text or setting
                breaks its rule or the policy's.
        """
        columns, is_one = self._rows(fields)
        size = len(next(iter(columns.values())))
        settings = dict(settings or {})
        seeds = None
        if not isinstance(settings.get("seed", 0), numbers.Integral):
            seeds = settings.pop("seed")
        task = self._task(settings)
        values, beams = task.row_settings(size, self._max_beams, seeds)
        if size == 0:
            return []
        made = self._made(_tensors(columns), values, beams)
        results = [
            TaskResult(text.decode(), tuple(ids[:length]), why.decode(), is_cut)
            for text, ids, length, why, is_cut in zip(
                *(x.numpy().tolist() for x in made), strict=True
            )
        ]
        return results[0] if is_one else results

    def stream(
        self, settings: Mapping[str, Any] | None = None, /, **fields
    ) -> Iterator[str]:
        """Answers one row and yields the text as it comes; see `run`.

        Raises:
            ValueError: As `run`, there are several rows, or beams, which are
                only known at the end.
        """
        columns, is_one = self._rows(fields)
        values, beams = self._task(settings).row_settings(1)
        if not is_one or beams is not None:
            raise ValueError(
                "A stream must be of one row and without beams. Received: "
                f"beams={beams is not None}, several rows={not is_one}"
            )
        state = self._drawing.start(_tensors(columns), with_host_seeds(values))
        return self._drawing.pieces(state)

    def _made(self, columns, values, beams):
        if beams is None:
            state = self._drawing.start(columns, with_host_seeds(values))
            made = self._drawing.whole(state)
            return (
                made.completions,
                made.token_ids,
                made.lengths,
                made.finish_reasons,
                made.prompt_truncated,
            )
        if self._search is None:
            self._search = tf.function(
                self._completer.complete,
                input_signature=(self._spec, SETTINGS_SPEC, BEAM_SPEC),
                autograph=False,
            )
        made = self._search(columns, values, beams)
        check_errors(made.errors)
        return made[:-1]

    def _rows(self, fields):
        template = self.task.template
        return field_rows(template.fields, fields, template.turns)

    def _task(self, settings):
        if "answer_from" in (settings or {}):
            raise ValueError(
                "`answer_from` is of the task, not of a call. Received: "
                f"answer_from={settings['answer_from']!r}"
            )
        return self.task.with_settings(**(settings or {}))


def _tensors(columns):
    return {name: tf.constant(x, tf.string) for name, x in columns.items()}

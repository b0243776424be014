"""The fields of tasks as tensors come in, answers come out as text.

Nothing of one row raises: a row whose fields break a rule comes back empty and
says so, and its neighbours are answered.
"""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.beam_completion import BeamCompleter
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.drawn_seeds import with_drawn_seeds
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.refusal import find_refused
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.row_errors import with_length_error
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.spans import SpanTable
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.tasks import check_tasks
from gpt_keras.generation.text_completion import TextCompleter


class Answers(NamedTuple):
    """Answers to a batch of tasks.

    Attributes:
        texts: `(batch,)` strings, valid UTF-8.
        token_ids: `(batch, longest)` int32, right-padded.
        lengths: `(batch,)` int32, tokens in each row of `token_ids`.
        finish_reasons: `(batch,)` strings of `FINISH_REASONS`.
        is_cut: `(batch,)` boolean, whether the template's field was cut.
        errors: `(batch,)` strings: of a row that is invalid, the rule and
            what came; empty for the others.
    """

    texts: Any
    token_ids: Any
    lengths: Any
    finish_reasons: Any
    is_cut: Any
    errors: Any


class TaskCompleter:
    """Answers tasks with a model, inside a graph.

    Args:
        model: As of `TextCompleter`.
        tokenizer: The tokenizer that the model was trained with.
        task: The task; settings are given with each call.
        policy: What holds for every row; its `max_prompt_bytes` for each
            field.

    Raises:
        ValueError: As `TextCompleter`, or the tokenizer lacks a special token.
    """

    def __init__(
        self, model, tokenizer, task: Task, policy: Policy = NO_POLICY
    ):
        check_tasks([task], tokenizer)
        self.template = task.template
        self._max_length = model.max_length
        self._tokenizer = tokenizer
        self._policy = policy
        self._model = model
        self.completer = TextCompleter(model, tokenizer, policy)
        self._spans = None
        if task.answer_from is not None:
            self._spans = SpanTable(tokenizer), task.span_segment()

    def complete(
        self,
        fields: Mapping[str, Any],
        settings: GenerationSettings,
        beams: BeamSettings | None = None,
    ) -> Answers:
        """Answers a batch.

        Args:
            fields: By name, strings `(batch,)` of at least one row. `messages`
                of a conversation are joined by `SEPARATOR`, an odd number.
            settings: Tensors `(batch,)`.
            beams: Tensors `(batch,)`, or None to draw.

        Returns:
            `Answers`.
        """
        if beams is not None:
            return self._search(fields, settings, beams)
        state = self.start(fields, with_drawn_seeds(settings))
        made = self.completer.result(self.completer.advance(state))
        return Answers(
            made.completions,
            made.token_ids,
            made.lengths,
            made.finish_reasons,
            made.prompt_truncated,
            made.errors,
        )

    def start(self, fields, settings: GenerationSettings):
        """Returns the `CompletionState` before the first token."""
        prompts = self._read(fields, settings.max_new_tokens)
        spans = ()
        if self._spans is not None:
            table, segment = self._spans
            token_ids = prompts["token_ids"]
            spans = table.find(
                token_ids.to_tensor(),
                tf.cast(token_ids.row_lengths(), tf.int32),
                segment,
            )
        return self.completer.start_tokens(
            settings=settings, spans=spans, **prompts
        )

    def _read(self, fields, max_new_tokens) -> dict[str, Any]:
        """Judges fields and puts them into the template.

        Half of the model's `max_length` at most is kept free for the answer;
        what is too long is cut in the template's field.
        """
        fields, is_refused, errors = self._judged(fields)
        tokenizer = _Remembering(self._tokenizer)
        room = self._max_length - tf.clip_by_value(
            max_new_tokens, 1, self._max_length // 2
        )
        texts = fields
        if self.template.turns:
            texts = {
                name: tf.strings.split(x, SEPARATOR)
                for name, x in fields.items()
            }
        whole = self.template.tokenize(tokenizer, texts)
        token_ids = self.template.tokenize(tokenizer, texts, room)
        lengths = tf.cast(token_ids.row_lengths(), tf.int32)
        rule = (
            f"All of a prompt but its `{self.template.truncate}` must fit into "
            "the tokens that the answer leaves"
        )
        received = tf.strings.as_string(lengths) + " tokens for "
        received += tf.strings.as_string(room)
        errors = with_error(errors, lengths <= room, rule, received)
        return {
            "token_ids": token_ids,
            "is_refused": is_refused & (errors == ""),
            "is_cut": whole.row_lengths() > token_ids.row_lengths(),
            "errors": errors,
        }

    def _judged(self, fields):
        errors = no_errors(fields[self.template.truncate])
        for name, texts in fields.items():
            if self.template.turns:
                count = tf.strings.split(texts, SEPARATOR).row_lengths()
                rule = f"`{name}` must be an odd number of texts, by U+001F"
                errors = with_error(errors, count % 2 == 1, rule, count)
            errors = with_length_error(
                errors, name, texts, self._policy.max_prompt_bytes
            )
        fields = {
            name: tf.where(errors == "", texts, "")
            for name, texts in fields.items()
        }
        found = [find_refused(x, self._policy.refuse) for x in fields.values()]
        return fields, tf.reduce_any(tf.stack(found), 0), errors

    def _search(self, fields, settings, beams):
        prompts = self._read(fields, settings.max_new_tokens)
        token_ids = prompts["token_ids"]
        found = BeamCompleter(
            self._model, self._tokenizer, self._policy
        ).complete_tokens(
            token_ids.to_tensor(),
            tf.cast(token_ids.row_lengths(), tf.int32),
            settings,
            beams,
            prompts["is_refused"],
            prompts["errors"],
        )
        reasons = tf.where(
            found.errors == "", found.finish_reasons[:, 0], "invalid"
        )
        return Answers(
            found.texts[:, 0],
            found.token_ids[:, 0],
            found.lengths[:, 0],
            reasons,
            prompts["is_cut"],
            found.errors,
        )


class _Remembering:
    """A tokenizer that puts into the graph only once what is asked twice."""

    def __init__(self, tokenizer):
        self.special_tokens = tokenizer.special_tokens
        self._tokenizer = tokenizer
        self._known = {}

    def tokenize(self, texts):
        key = texts.ref() if isinstance(texts, tf.Tensor) else id(texts)
        if key not in self._known:
            # The texts too: another object must not get their id.
            self._known[key] = texts, self._tokenizer.tokenize(texts)
        return self._known[key][1]

"""Prompts and settings as tensors come in, completions come out as text.

Nothing of one row raises: a row whose prompt or settings break a rule comes
back empty and says so, and its neighbours are answered.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.decoding_state import FINISH_REASONS
from gpt_keras.generation.decoding_state import INVALID
from gpt_keras.generation.decoding_state import REFUSED
from gpt_keras.generation.decoding_state import Completions
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.decoding_state import has_more
from gpt_keras.generation.drawn_seeds import with_drawn_seeds
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.redaction import redact
from gpt_keras.generation.refusal import find_refused
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.row_errors import with_length_error
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import check_settings
from gpt_keras.generation.text_pieces import Piece
from gpt_keras.generation.text_pieces import cut_piece


class CompletionState(NamedTuple):
    """Where the completion of a batch stands.

    Attributes:
        decoding: `DecodingState`.
        settings: `GenerationSettings`; a row with an error has the defaults
            and no tokens to make.
        is_refused: `(batch,)` boolean, whether the prompt is.
        errors: `(batch,)` strings, empty where there is none.
        sent_bytes: `(batch,)` int32, bytes of the completion that earlier
            calls gave.
        sent_tokens: `(batch,)` int32, tokens that they gave.
        is_cut: `(batch,)` boolean, whether the prompt had been cut before it
            came.
    """

    decoding: Any
    settings: Any
    is_refused: Any
    errors: Any
    sent_bytes: Any
    sent_tokens: Any
    is_cut: Any


class TextCompleter:
    """Completes text with a model, inside a graph.

    Args:
        model: A `GPTModel`, or what has its `max_length`, `vocab_size`,
            `make_cache`, `hidden_states` and `logits`.
        tokenizer: The tokenizer that the model was trained with.
        policy: What holds for every row.
        details: Whether to make `Details`.

    Raises:
        ValueError: The model's `max_length` is below 2, or the tokenizer has
            ids that the model doesn't know.
    """

    def __init__(
        self, model, tokenizer, policy: Policy = NO_POLICY, details=False
    ):
        self._tokenizer = tokenizer
        self._policy = policy
        self._decoder = Decoder(model, tokenizer, policy, details)
        self.window_lengths = self._decoder.window_lengths

    def complete(self, prompts, settings: GenerationSettings) -> Completions:
        """Completes prompts.

        Args:
            prompts: Strings `(batch,)` of at least one row.
            settings: Tensors `(batch,)`.

        Returns:
            `Completions`.
        """
        settings = with_drawn_seeds(settings)
        return self.result(self.advance(self.start(prompts, settings)))

    def start(
        self,
        prompts,
        settings: GenerationSettings,
        written: Written | None = None,
        steps=None,
        errors=None,
    ) -> CompletionState:
        """Judges every row and reads the prompts.

        Seeds have been drawn before.

        Args:
            prompts: Strings `(batch,)`.
            settings: Tensors `(batch,)`.
            written: What the rows go on from; None for nothing.
            steps: `(batch,)` int32, the most tokens that each row gets before
                it pauses, 0 for all; None for all.
            errors: `(batch,)` strings, of rows that are invalid already.

        Returns:
            `CompletionState`.
        """
        errors = self._errors(settings, steps, errors)
        errors = with_length_error(
            errors, "prompts", prompts, self._policy.max_prompt_bytes
        )
        is_valid = errors == ""
        prompts = tf.where(is_valid, prompts, "")
        is_refused = find_refused(prompts, self._policy.refuse)
        token_ids = self._tokenizer.tokenize(prompts)
        return self._read(
            token_ids, settings, is_refused, errors, written, steps
        )

    def start_tokens(
        self,
        token_ids: tf.RaggedTensor,
        settings: GenerationSettings,
        is_refused,
        is_cut,
        errors,
        spans=(),
    ) -> CompletionState:
        """As `start`, for prompts that are tokens already.

        Args:
            token_ids: int32, `(batch, None)`.
            settings: Tensors `(batch,)`.
            is_refused: `(batch,)` boolean, whether the prompt is.
            is_cut: `(batch,)` boolean, whether it has been cut.
            errors: `(batch,)` strings, of rows that are invalid already.
            spans: `Spans` that the completions must be of, or `()`.
        """
        errors = self._errors(settings, None, errors)
        state = self._read(token_ids, settings, is_refused, errors, None, None)
        decoding = state.decoding._replace(spans=spans)
        return state._replace(decoding=decoding, is_cut=is_cut)

    def _read(self, token_ids, settings, is_refused, errors, written, steps):
        is_valid = errors == ""
        settings = settle(settings, is_valid, is_refused)
        lengths = tf.cast(token_ids.row_lengths(), tf.int32)
        written = _settle_written(written, is_valid)
        decoding = self._decoder.start(
            token_ids.to_tensor(), lengths, settings, written, steps
        )
        return _begun(decoding, settings, is_refused, errors, written)

    def resume(
        self,
        context: Context,
        written: Written,
        cache,
        settings: GenerationSettings,
        steps,
        errors,
    ) -> CompletionState:
        """Judges every row and goes on with the cache that it had.

        Args:
            context: What the model was given of the prompts.
            written: What the rows go on from.
            cache: As for `Decoder.resume`.
            settings: Tensors `(batch,)`.
            steps: As for `start`.
            errors: As for `start`.

        Returns:
            `CompletionState`.
        """
        errors = self._errors(settings, steps, errors)
        is_valid = errors == ""
        is_refused = tf.zeros_like(is_valid)  # such a row has ended
        settings = settle(settings, is_valid, is_refused)
        written = _settle_written(written, is_valid)
        decoding = self._decoder.resume(
            context, written, cache, settings, steps
        )
        return _begun(decoding, settings, is_refused, errors, written)

    def advance(
        self, state: CompletionState, max_steps: int | None = None
    ) -> CompletionState:
        """Adds tokens until all rows have ended, or `max_steps` to each."""
        return state._replace(
            decoding=self._decoder.advance(
                state.decoding, state.settings, max_steps
            )
        )

    def result(self, state: CompletionState) -> Completions:
        """Returns what the rows have got so far."""
        made = self._decoder.result(state.decoding)
        spelt = self._tokenizer.detokenize(made.token_ids, made.lengths)
        spelt = tf.strings.substr(
            spelt, tf.zeros_like(made.text_lengths), made.text_lengths
        )
        # A span may end within a character, and is a part of its context.
        text = tf.strings.unicode_transcode(
            spelt,
            "UTF-8",
            "UTF-8",
            errors="ignore" if state.decoding.spans else "replace",
        )
        text, is_redacted = redact(text, self._policy.redact)
        is_refused = state.is_refused
        is_refused |= find_refused(text, self._policy.refuse)
        text = tf.where(is_refused, self._policy.refusal_text, text)
        is_hidden = is_redacted | is_refused
        reasons = tf.where(is_refused, REFUSED, made.finish_reasons)
        reasons = tf.where(state.errors == "", reasons, INVALID)
        return Completions(
            completions=text,
            completions_bytes=tf.where(is_hidden, text, spelt),
            token_ids=hide(
                made.token_ids, is_hidden, self._tokenizer.end_of_text_id
            ),
            lengths=hide(made.lengths, is_hidden, 0),
            details=tf.nest.map_structure(
                lambda values: hide(values, is_hidden, 0), made.details
            ),
            finish_reasons=tf.gather(FINISH_REASONS, reasons),
            prompt_truncated=made.prompt_truncated | state.is_cut,
            seeds=made.seeds,
            errors=state.errors,
        )

    def piece(self, state: CompletionState) -> Piece:
        """Returns what the call that made the state adds to the rows."""
        return cut_piece(
            self.result(state),
            has_more(state.decoding.finish_reasons),
            state.sent_bytes,
            state.sent_tokens,
            self._policy.hides_tokens,
            self._tokenizer.end_of_text_id,
        )

    def _errors(self, settings, steps, errors):
        """Returns of each row the first rule that it breaks, or nothing."""
        broken = row_errors(settings, self._policy)
        if steps is not None:
            rule = "`steps` must be an integer from 0 to 2**31 - 1"
            broken = with_error(broken, steps >= 0, rule, steps)
        if errors is not None:
            broken = tf.where(errors == "", broken, errors)
        return broken


def row_errors(settings: GenerationSettings, policy: Policy):
    """Returns of each row the first rule that its settings break, or nothing.

    Args:
        settings: Tensors `(batch,)`.
        policy: Its `max_new_tokens` holds.

    Returns:
        `(batch,)` strings.
    """
    errors = check_settings(settings)
    limit = policy.max_new_tokens
    if limit is None:
        return errors
    asked = settings.max_new_tokens
    rule = f"`max_new_tokens` must be at most {limit}"
    return with_error(errors, asked <= limit, rule, asked)


def _begun(decoding, settings, is_refused, errors, written):
    none = tf.zeros_like(decoding.lengths)
    return CompletionState(
        decoding=decoding,
        settings=settings,
        is_refused=is_refused,
        errors=errors,
        sent_bytes=none if written is None else written.sent_bytes,
        sent_tokens=none if written is None else written.sent_tokens,
        is_cut=tf.zeros_like(is_refused),
    )


def _settle_written(written, is_valid):
    """Takes from rows that get no text what they had written."""
    if written is None:
        return None
    return written._replace(
        lengths=tf.where(is_valid, written.lengths, 0),
        sent_bytes=tf.where(is_valid, written.sent_bytes, 0),
        sent_tokens=tf.where(is_valid, written.sent_tokens, 0),
    )


def settle(settings: GenerationSettings, is_valid, is_refused):
    """Gives rows that get no text the defaults, and nothing to make."""
    safe = {
        name: tf.where(is_valid, getattr(settings, name), setting.default)
        for name, setting in SETTINGS.items()
    }
    is_answered = is_valid & ~is_refused
    safe["max_new_tokens"] = tf.where(is_answered, safe["max_new_tokens"], 0)
    return GenerationSettings(**safe)


def hide(values, is_hidden, padding):
    """Puts padding in place of whole rows."""
    rows = tf.reshape(is_hidden, [-1] + [1] * (values.ndim - 1))
    return tf.where(rows, tf.constant(padding, values.dtype), values)

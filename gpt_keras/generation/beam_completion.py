"""Prompts and settings as tensors come in, the best completions of each come
out as text.

Nothing of one row raises: a row whose prompt or settings break a rule comes
back without hypotheses and says so, and its neighbours are answered.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.beam_decoding import BeamDecoder
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.beam_settings import check_beam_settings
from gpt_keras.generation.decoding_state import FINISH_REASONS
from gpt_keras.generation.decoding_state import REFUSED
from gpt_keras.generation.decoding_state import RUNNING
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.redaction import redact
from gpt_keras.generation.refusal import find_refused
from gpt_keras.generation.row_errors import with_length_error
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_completion import hide
from gpt_keras.generation.text_completion import row_errors
from gpt_keras.generation.text_completion import settle


class BeamCompletions(NamedTuple):
    """The best completions of a batch of prompts, the best first.

    What is beyond a row's `counts` is empty or 0.

    Attributes:
        counts: `(batch,)` int32, how many hypotheses each row has.
        texts: `(batch, beams)` strings without their prompts, valid UTF-8:
            what isn't became U+FFFD.
        texts_bytes: `(batch, beams)` strings, the bytes as they were made.
        scores: `(batch, beams)` float32, see `beam_search`.
        log_probs: `(batch, beams)` float32, the sums over the tokens.
        token_ids: `(batch, beams, longest)` int32, right-padded; none of a
            hypothesis that the policy redacted or refused.
        lengths: `(batch, beams)` int32, tokens of each.
        finish_reasons: `(batch, beams)` strings of `FINISH_REASONS`.
        prompt_truncated: `(batch,)` boolean, whether only the end of the
            prompt fitted into the model.
        errors: `(batch,)` strings: of a row that is invalid, the rule and
            what came; empty for the others.
    """

    counts: Any
    texts: Any
    texts_bytes: Any
    scores: Any
    log_probs: Any
    token_ids: Any
    lengths: Any
    finish_reasons: Any
    prompt_truncated: Any
    errors: Any


class BeamCompleter:
    """Completes text by beam search, inside a graph.

    Args:
        model: As of `TextCompleter`.
        tokenizer: The tokenizer that the model was trained with.
        policy: What holds for every row.

    Raises:
        ValueError: As `TextCompleter`.
    """

    def __init__(self, model, tokenizer, policy: Policy = NO_POLICY):
        self._tokenizer = tokenizer
        self._policy = policy
        self._decoder = BeamDecoder(model, tokenizer, policy)

    def complete(
        self, prompts, settings: GenerationSettings, beams: BeamSettings
    ) -> BeamCompletions:
        """Completes prompts.

        Args:
            prompts: Strings `(batch,)` of at least one row.
            settings: Tensors `(batch,)`, of which `USED_SETTINGS` are used.
            beams: Tensors `(batch,)`.

        Returns:
            `BeamCompletions`, with as many beams as the row with most.
        """
        errors = self._errors(settings, beams)
        errors = with_length_error(
            errors, "prompts", prompts, self._policy.max_prompt_bytes
        )
        prompts = tf.where(errors == "", prompts, "")
        token_ids = self._tokenizer.tokenize(prompts)
        return self.complete_tokens(
            token_ids.to_tensor(),
            tf.cast(token_ids.row_lengths(), tf.int32),
            settings,
            beams,
            find_refused(prompts, self._policy.refuse),
            errors,
        )

    def complete_tokens(
        self,
        prompt_ids,
        prompt_lengths,
        settings: GenerationSettings,
        beams: BeamSettings,
        is_refused,
        errors,
    ) -> BeamCompletions:
        """Completes prompts that are tokens already.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
            settings: As for `complete`.
            beams: As for `complete`.
            is_refused: `(batch,)` boolean, whether the prompt is.
            errors: `(batch,)` strings, of rows that are invalid.

        Returns:
            As `complete`.
        """
        is_valid = errors == ""
        found = self._decoder.search(
            prompt_ids,
            tf.where(is_valid, prompt_lengths, 0),
            settle(settings, is_valid, is_refused),
            BeamSettings(
                num_beams=tf.where(is_valid & ~is_refused, beams.num_beams, 1),
                length_penalty=tf.where(is_valid, beams.length_penalty, 0.0),
            ),
        )
        return self._spelt(found, is_refused, errors)

    def _errors(self, settings, beams):
        """Returns of each row the first rule that it breaks, or nothing."""
        errors = row_errors(settings, self._policy)
        return check_beam_settings(errors, beams, self._policy.max_beams)

    def _spelt(self, found, is_refused, errors):
        """Returns what was found as text, as the policy wants it."""
        shape = tf.shape(found.scores)
        is_found = (found.scores > -float("inf")) & (errors == "")[:, None]
        flat = tf.nest.map_structure(
            lambda x: tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0)),
            found._replace(prompt_truncated=found.scores),
        )
        spelt = self._tokenizer.detokenize(flat.token_ids, flat.lengths)
        spelt = tf.strings.substr(
            spelt, tf.zeros_like(flat.text_lengths), flat.text_lengths
        )
        text = tf.strings.unicode_transcode(spelt, "UTF-8", "UTF-8")
        text, is_hidden = redact(text, self._policy.redact)
        is_refused = tf.repeat(is_refused, shape[1])
        is_refused |= find_refused(text, self._policy.refuse)
        text = tf.where(is_refused, self._policy.refusal_text, text)
        is_hidden |= is_refused
        reasons = tf.where(is_refused, REFUSED, flat.finish_reasons)
        is_shown = tf.reshape(is_found, [-1])
        is_hidden |= ~is_shown

        def shaped(values, padding):
            values = hide(values, ~is_shown, padding)
            inner = tf.shape(values)[1:]
            return tf.reshape(values, tf.concat([shape, inner], 0))

        return BeamCompletions(
            counts=tf.reduce_sum(tf.cast(is_found, tf.int32), -1),
            texts=shaped(text, ""),
            texts_bytes=shaped(tf.where(is_hidden, text, spelt), ""),
            scores=shaped(flat.scores, 0.0),
            log_probs=shaped(flat.log_probs, 0.0),
            token_ids=shaped(
                hide(flat.token_ids, is_hidden, self._tokenizer.end_of_text_id),
                self._tokenizer.end_of_text_id,
            ),
            lengths=shaped(hide(flat.lengths, is_hidden, 0), 0),
            finish_reasons=shaped(
                tf.gather(FINISH_REASONS, tf.where(is_shown, reasons, RUNNING)),
                "",
            ),
            prompt_truncated=found.prompt_truncated,
            errors=errors,
        )

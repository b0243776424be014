"""Prompts as token ids and settings come in, the best hypotheses as ids go out.

The model reads each prompt once; its cache is then repeated for each beam and
follows the hypotheses.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.beam_search import BeamOptions
from gpt_keras.generation.beam_search import Beams
from gpt_keras.generation.beam_search import NextTokens
from gpt_keras.generation.beam_search import beam_search
from gpt_keras.generation.beam_search import for_beams
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.decoding import check_fit
from gpt_keras.generation.decoding_state import LENGTH
from gpt_keras.generation.decoding_state import MAX_LENGTH
from gpt_keras.generation.decoding_state import REPETITION
from gpt_keras.generation.decoding_state import RUNNING
from gpt_keras.generation.decoding_state import STOP
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.repetition_guard import count_repeats
from gpt_keras.generation.repetition_guard import no_repeats
from gpt_keras.generation.repetition_guard import repeating_tokens
from gpt_keras.generation.sampling import RULES
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import process_logits
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_rules import TextRules
from gpt_keras.generation.windows import Windows
from gpt_keras.layers.dynamic_steps import dynamic_steps


class Searched(NamedTuple):
    """The best hypotheses of a batch of prompts, the best first.

    Attributes:
        token_ids: `(batch, beams, longest)` int32, right-padded with the
            end-of-text id, without the prompt. Of a hypothesis that a stop
            text ended, the tokens that begin before it.
        lengths: `(batch, beams)` int32, the tokens of each.
        text_lengths: `(batch, beams)` int32, bytes of each one's text: what
            the tokens spell goes on where a stop text begins within the last
            one.
        scores: `(batch, beams)` float32, see `beam_search`; -inf where there
            is no hypothesis.
        log_probs: `(batch, beams)` float32, their sums over the tokens.
        finish_reasons: `(batch, beams)` int32 index into `FINISH_REASONS`.
        prompt_truncated: `(batch,)` boolean, whether only the end of the
            prompt fitted.
    """

    token_ids: Any
    lengths: Any
    text_lengths: Any
    scores: Any
    log_probs: Any
    finish_reasons: Any
    prompt_truncated: Any


class BeamDecoder:
    """Finds the likeliest completions with a model and its cache.

    Prompts are cut as by `Decoder`, and a hypothesis ends where the model is
    full. Penalties, banned texts and the watermark change the logits before
    they become log-probabilities.

    Args:
        model: Has `max_length`, `vocab_size`, `make_cache`, `hidden_states`
            and `logits`.
        tokenizer: Has `vocab_size`, `end_of_text_id` and `token_bytes`.
        policy: A `Policy`; its limits are judged elsewhere.

    Raises:
        ValueError: As `Decoder`.
    """

    def __init__(self, model, tokenizer, policy: Policy = NO_POLICY):
        check_fit(model, tokenizer)
        self._model = model
        self._max_length = model.max_length
        self._end_of_text_id = tokenizer.end_of_text_id
        self._vocab_size = tokenizer.vocab_size
        self._texts = TextRules(tokenizer, policy.banned)
        self._watermark = policy.watermark
        self._guard = policy.repetition_guard
        self._windows = Windows(model, tokenizer.end_of_text_id)

    def search(
        self,
        prompt_ids,
        prompt_lengths,
        settings: GenerationSettings,
        beams: BeamSettings,
    ) -> Searched:
        """Completes prompts.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
            settings: Tensors `(batch,)`, of which `USED_SETTINGS` are used.
            beams: Tensors `(batch,)`.

        Returns:
            `Searched`.
        """
        context = self._windows.context(prompt_ids, prompt_lengths)
        options = self._options(context, settings, beams)
        settings = for_beams(settings, options)
        step, carried = self._begin(context, settings, options)
        found = beam_search(
            step, context, carried, options, self._end_of_text_id
        )
        return self._result(context, found, settings)

    def _options(self, context, settings, beams):
        asked = tf.maximum(settings.max_new_tokens, 0)
        room = self._max_length - context.lengths
        return BeamOptions(
            num_beams=beams.num_beams,
            length_penalty=beams.length_penalty,
            limits=tf.minimum(asked, room),
            limit_reasons=tf.where(asked <= room, LENGTH, MAX_LENGTH),
        )

    def _begin(self, context, settings, options):
        """Returns the function for each step, and what it carries."""
        token_ids, lengths = for_beams(
            (context.token_ids, context.lengths), options
        )
        texts = self._texts.start(settings, token_ids, lengths)
        stops = self._texts.find_stops(texts)
        size = tf.shape(context.token_ids)[1] + tf.reduce_max(options.limits)
        size = tf.minimum(size, self._max_length)
        # All of the prompt but its last token: the first step reads that.
        cache = self._windows.read(context.token_ids, context.lengths - 1, size)
        carried = _Carried(
            cache=for_beams(cache, options),
            stop_progress=texts.stop_progress,
            banned_progress=texts.banned_progress,
            repeats=no_repeats(tf.shape(lengths)[0], bool(self._guard)),
        )

        def step(beams, carried):
            last = tf.gather(beams.token_ids, beams.lengths - 1, batch_dims=1)
            is_new = beams.is_live & (beams.lengths > beams.context_lengths)
            now = self._texts.read(
                texts._replace(
                    stop_progress=carried.stop_progress,
                    banned_progress=carried.banned_progress,
                ),
                last,
                is_new,
            )
            repeats = _count_repeats(beams, carried.repeats, last, is_new)
            with dynamic_steps():
                hidden, cache = self._model.hidden_states(
                    last[:, None],
                    carried.cache,
                    training=False,
                    mask=beams.is_live[:, None],
                )
            found = NextTokens(
                self._log_probs(hidden[:, 0], beams, settings, now),
                self._reasons(beams, repeats, now, stops),
            )
            return found, _Carried(
                cache, now.stop_progress, now.banned_progress, repeats
            )

        return step, carried

    def _log_probs(self, hidden, beams, settings, texts):
        with dynamic_steps():
            logits = self._model.logits(hidden)[:, : self._vocab_size]
        logits = tf.ensure_shape(logits, [None, self._vocab_size])
        place = SamplingContext(
            positions=beams.lengths,
            token_ids=beams.token_ids,
            lengths=beams.lengths,
            context_lengths=beams.context_lengths,
            end_of_text_id=self._end_of_text_id,
            is_banned=self._texts.banned_tokens(texts),
            may_ban=self._texts.may_ban(texts),
            watermark=self._watermark,
        )
        return tf.nn.log_softmax(process_logits(logits, settings, place, RULES))

    def _reasons(self, beams, repeats, texts, stops):
        """Returns why a hypothesis would end with a token, or `RUNNING`."""
        is_stopping = self._texts.stopping_tokens(texts, stops)
        reasons = tf.where(is_stopping, STOP, RUNNING)
        if not self._guard:
            return reasons
        state = _Counted(beams, repeats)
        is_looping = repeating_tokens(state, self._guard, self._vocab_size)
        return tf.where(is_looping & ~is_stopping, REPETITION, reasons)

    def _result(self, context, found, settings):
        """Cuts off the prompts, and the stop texts."""
        shape = tf.shape(found.scores)
        starts = tf.repeat(context.lengths, shape[1])
        counts = tf.reshape(found.lengths, [-1]) - starts
        width = tf.shape(found.token_ids)[2]
        token_ids = tf.reshape(found.token_ids, [-1, width])
        token_ids = cut_columns(token_ids, starts, counts, self._end_of_text_id)
        texts = self._read_written(token_ids, counts, settings)
        ended = tf.zeros_like(counts, bool)
        counts = self._texts.count_tokens(texts, token_ids, counts, ended)
        token_ids = cut_columns(
            token_ids, tf.zeros_like(counts), counts, self._end_of_text_id
        )
        text_lengths = self._texts.text_lengths(texts, ended)
        return Searched(
            token_ids=tf.reshape(token_ids, tf.concat([shape, [-1]], 0)),
            lengths=tf.reshape(counts, shape),
            text_lengths=tf.reshape(text_lengths, shape),
            scores=found.scores,
            log_probs=found.log_probs,
            finish_reasons=found.reasons,
            prompt_truncated=context.prompt_lengths >= self._max_length,
        )

    def _read_written(self, token_ids, counts, settings):
        """Returns the `TextState` behind what was written.

        A stop text can end in the last token alone: the one that it ended.
        """
        before = tf.maximum(counts - 1, 0)
        none = tf.zeros_like(counts)
        written = Written(token_ids, before, none, none, ())
        texts = self._texts.start(settings, token_ids, counts, written)
        last = tf.gather(token_ids, before, batch_dims=1)
        return self._texts.read(texts, last, counts > 0)


class _Carried(NamedTuple):
    """What follows the hypotheses, `(batch * beams, …)`."""

    cache: Any
    stop_progress: Any
    banned_progress: Any
    repeats: Any


class _Counted:
    """Hypotheses as the guard against repetition takes them."""

    def __init__(self, beams: Beams, repeats):
        self.token_ids = beams.token_ids
        self.lengths = beams.lengths
        self.context_lengths = beams.context_lengths
        self.repeats = repeats


def _count_repeats(beams, repeats, last, is_new):
    before = beams.lengths - tf.cast(is_new, tf.int32)
    state = _Counted(beams._replace(lengths=before), repeats)
    return count_repeats(state, last, is_new)

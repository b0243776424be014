"""Prompts as token ids and settings come in, completions as ids go out.

Everything is a tensor and nothing is kept between calls, so the same code
runs eagerly, in a `tf.function` and in an exported signature.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import sample
from gpt_keras.generation.settings import OVERFLOWS
from gpt_keras.generation.settings import GenerationSettings

# The index is the code in the graph.
FINISH_REASONS = ("", "stop", "length", "max_length")
_RUNNING, _STOP, _LENGTH, _MAX_LENGTH = range(len(FINISH_REASONS))


class Generated(NamedTuple):
    """Completions of a batch of prompts.

    Attributes:
        token_ids: `(batch, longest)` int32, right-padded with the
            end-of-text id.
        lengths: `(batch,)` int32, the tokens of each completion.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`: the
            end-of-text token came (it is not part of the completion),
            `max_new_tokens` were made, or prompt and completion fill the
            model's `max_length`.
        prompt_truncated: `(batch,)` boolean, whether only the end of the
            prompt fitted.
    """

    token_ids: Any
    lengths: Any
    finish_reasons: Any
    prompt_truncated: Any


class DecodingState(NamedTuple):
    """Where the decoding of a batch stands.

    Attributes:
        cache: The model's, of all tokens of the window but the last.
        token_ids: `(batch, width)` int32, context then completion, without a
            gap between them.
        lengths: `(batch,)` int32, tokens in each row of `token_ids`.
        context_lengths: `(batch,)` int32, how many of them the model was
            given.
        prompt_lengths: `(batch,)` int32, tokens of the whole prompt.
        window_lengths: `(batch,)` int32, how many of the last tokens the
            model sees.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`.
    """

    cache: Any
    token_ids: Any
    lengths: Any
    context_lengths: Any
    prompt_lengths: Any
    window_lengths: Any
    finish_reasons: Any


class Decoder:
    """Generates token ids with a model and its cache.

    A row's completion depends neither on the other rows of its batch nor on
    padding. Prompt and completion together fit into the model's `max_length`:
    of a longer prompt the end is kept, with room for one new token. An empty
    prompt starts from the end-of-text token, as a document does.

    Args:
        model: Has `max_length`, `make_cache`, `hidden_states` and `logits`.
        end_of_text_id: The token that ends a completion.
        vocab_size: Only ids below this are drawn: a model's vocabulary may be
            padded beyond its tokenizer's.

    Raises:
        ValueError: The model's `max_length` is below 2.
    """

    def __init__(self, model, end_of_text_id: int, vocab_size: int):
        if model.max_length < 2:
            raise ValueError(
                "`max_length` must be at least 2 to generate. Received: "
                f"max_length={model.max_length}"
            )
        self.model = model
        self.max_length = model.max_length
        self.end_of_text_id = end_of_text_id
        self.vocab_size = vocab_size

    def generate(
        self, prompt_ids, prompt_lengths, settings: GenerationSettings
    ) -> Generated:
        """Completes prompts.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
            settings: Tensors `(batch,)`.

        Returns:
            `Generated`.
        """
        state = self.start(prompt_ids, prompt_lengths, settings)
        return self.result(self.advance(state, settings))

    def start(
        self, prompt_ids, prompt_lengths, settings: GenerationSettings
    ) -> DecodingState:
        """Reads the prompts and draws the first token of every row."""
        kept = tf.clip_by_value(prompt_lengths, 0, self.max_length - 1)
        context_ids = self._cut(prompt_ids, prompt_lengths - kept, kept)
        lengths = tf.maximum(kept, 1)  # an empty prompt is one end of text
        room = self._room(lengths, settings)
        token_ids = tf.pad(
            context_ids,
            [[0, 0], [0, room]],
            constant_values=self.end_of_text_id,
        )
        hidden, cache = self._read(
            context_ids, lengths, self._cache_size(token_ids)
        )
        state = DecodingState(
            cache=cache,
            token_ids=token_ids,
            lengths=lengths,
            context_lengths=lengths,
            prompt_lengths=prompt_lengths,
            window_lengths=lengths,
            finish_reasons=tf.where(
                settings.max_new_tokens > 0, _RUNNING, _LENGTH
            ),
        )
        last = tf.gather(hidden, lengths - 1, batch_dims=1)
        return self._append(state, last, settings)

    def advance(
        self,
        state: DecodingState,
        settings: GenerationSettings,
        max_steps: int | None = None,
    ) -> DecodingState:
        """Adds tokens until all rows have ended, or `max_steps` to each."""
        return tf.while_loop(
            lambda state: tf.reduce_any(state.finish_reasons == _RUNNING),
            lambda state: (self._step(state, settings),),
            (state,),
            maximum_iterations=max_steps,
        )[0]

    def result(self, state: DecodingState) -> Generated:
        """Returns what the rows have got so far."""
        counts = state.lengths - state.context_lengths
        return Generated(
            token_ids=self._cut(state.token_ids, state.context_lengths, counts),
            lengths=counts,
            finish_reasons=state.finish_reasons,
            prompt_truncated=state.prompt_lengths >= self.max_length,
        )

    def _step(self, state, settings):
        state = self._roll(state)
        last = tf.gather(state.token_ids, state.lengths - 1, batch_dims=1)
        hidden, cache = self.model.hidden_states(
            last[:, None],
            state.cache,
            training=False,
            mask=(state.finish_reasons == _RUNNING)[:, None],
        )
        state = state._replace(cache=cache)
        return self._append(state, hidden[:, 0], settings)

    def _append(self, state, hidden, settings):
        """Draws a token from each row's last state and adds it."""
        logits = self.model.logits(hidden)[:, : self.vocab_size]
        context = SamplingContext(
            positions=state.prompt_lengths
            + (state.lengths - state.context_lengths),
            token_ids=state.token_ids,
            lengths=state.lengths,
            context_lengths=state.context_lengths,
        )
        drawn = sample(logits, settings, context)
        is_running = state.finish_reasons == _RUNNING
        is_added = is_running & (drawn != self.end_of_text_id)
        columns = tf.range(tf.shape(state.token_ids)[1])[None]
        is_next = (columns == state.lengths[:, None]) & is_added[:, None]
        added = tf.cast(is_added, tf.int32)
        state = state._replace(
            token_ids=tf.where(is_next, drawn[:, None], state.token_ids),
            lengths=state.lengths + added,
            window_lengths=state.window_lengths + added,
        )
        reasons = self._finish_reasons(state, settings, drawn)
        return state._replace(
            finish_reasons=tf.where(is_running, reasons, state.finish_reasons)
        )

    def _finish_reasons(self, state, settings, drawn):
        counts = state.lengths - state.context_lengths
        is_full = state.window_lengths >= self.max_length
        is_full &= settings.overflow != _ROLL
        reasons = tf.where(is_full, _MAX_LENGTH, _RUNNING)
        reasons = tf.where(counts >= settings.max_new_tokens, _LENGTH, reasons)
        return tf.where(drawn == self.end_of_text_id, _STOP, reasons)

    def _roll(self, state):
        """Reads the newer half of the rows whose window is full again."""
        is_full = state.window_lengths >= self.max_length
        is_full &= state.finish_reasons == _RUNNING
        window = (self.max_length + 1) // 2

        def read_again():
            rows = tf.where(is_full)[:, 0]
            # All of the window but the last token: the next step reads that.
            counts = tf.fill(tf.shape(rows), window - 1)
            starts = tf.gather(state.lengths, rows) - window
            token_ids = self._cut(
                tf.gather(state.token_ids, rows), starts, counts
            )
            size = self._cache_size(state.token_ids)
            _, cache = self._read(token_ids, counts, size)
            return tf.nest.map_structure(
                lambda old, new: tf.tensor_scatter_nd_update(
                    old, rows[:, None], new
                ),
                state.cache,
                cache,
            )

        return state._replace(
            cache=tf.cond(
                tf.reduce_any(is_full), read_again, lambda: state.cache
            ),
            window_lengths=tf.where(is_full, window, state.window_lengths),
        )

    def _read(self, token_ids, lengths, cache_size):
        """Runs the model on whole windows, from an empty cache."""
        return self.model.hidden_states(
            token_ids,
            self.model.make_cache(tf.shape(token_ids)[0], cache_size),
            training=False,
            mask=tf.sequence_mask(lengths, tf.shape(token_ids)[1]),
        )

    def _room(self, lengths, settings):
        """Returns how many tokens the rows can get at most, a scalar."""
        counts = tf.where(
            settings.overflow == _ROLL,
            settings.max_new_tokens,
            tf.minimum(settings.max_new_tokens, self.max_length - lengths),
        )
        return tf.maximum(tf.reduce_max(counts), 0)

    def _cache_size(self, token_ids):
        return tf.minimum(tf.shape(token_ids)[1], self.max_length)

    def _cut(self, token_ids, starts, counts):
        """Returns `counts` tokens from `starts` on, right-padded.

        At least one column: `(batch, max(counts, 1))`.
        """
        padding = tf.shape(token_ids)[1]
        padded = tf.pad(
            token_ids, [[0, 0], [0, 1]], constant_values=self.end_of_text_id
        )
        offsets = tf.range(tf.maximum(tf.reduce_max(counts), 1))[None]
        columns = tf.where(
            offsets < counts[:, None], starts[:, None] + offsets, padding
        )
        return tf.gather(padded, columns, batch_dims=1)


_ROLL = OVERFLOWS.index("roll")

"""Rows and what the model has read of them come in, a cache to go on from out.

A window is the part of a row that the model sees: all of it, or its newer end
where the row is longer than the model and rolls on.
"""

import tensorflow as tf

from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.decoding_state import RUNNING
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.decoding_state import DecodingState


class Windows:
    """Reads the windows of rows into a model's cache.

    Args:
        model: Has `max_length`, `make_cache` and `hidden_states`.
        padding_id: A token id, for what is beyond a row's end, and what an
            empty prompt starts from.
        spare: Positions that a cache has beyond what is to come, for guesses.
    """

    def __init__(self, model, padding_id: int, spare: int = 0):
        self._spare = spare
        self._model = model
        self._max_length = model.max_length
        self._rolled_length = (model.max_length + 1) // 2
        self._padding_id = padding_id

    def lengths(self, context_lengths, counts):
        """Returns how many of a row's tokens the model sees.

        Args:
            context_lengths: `(batch,)` int32.
            counts: `(batch,)` int32, the tokens written since.

        Returns:
            `(batch,)` int32, at most `max_length`, which rows that roll reach
            again and again.
        """
        lengths = context_lengths + counts
        rolled = self._rolled_length
        beyond = lengths - self._max_length - 1
        period = self._max_length - rolled
        again = rolled + 1 + tf.math.floormod(beyond, period)
        return tf.where(beyond < 0, lengths, again)

    def context(self, prompt_ids, prompt_lengths) -> Context:
        """Returns what the model is given of prompts: the end that fits, with
        room for one new token.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
        """
        kept = tf.clip_by_value(prompt_lengths, 0, self._max_length - 1)
        return Context(
            token_ids=cut_columns(
                prompt_ids, prompt_lengths - kept, kept, self._padding_id
            ),
            lengths=tf.maximum(kept, 1),  # an empty prompt is one end of text
            prompt_lengths=prompt_lengths,
        )

    def cache_size(self, token_ids):
        """Returns the positions that a cache needs, a scalar.

        Args:
            token_ids: `(batch, width)`, with room for what is to come.
        """
        size = tf.shape(token_ids)[1] + self._spare
        return tf.minimum(size, self._max_length)

    def empty_cache(self, token_ids):
        """Returns a cache of no positions, for rows that are stale."""
        batch_size, width = tf.unstack(tf.shape(token_ids))
        # Not a static 0: the shapes of a loop are open.
        return self._model.make_cache(batch_size, 0 * width)

    def refresh(self, state: DecodingState) -> DecodingState:
        """Returns rows whose cache holds their windows but the last token.

        Of a window that is full again the newer half is left. Windows that
        the cache doesn't hold are read.
        """
        state = self._roll(state)
        cache = tf.cond(
            tf.reduce_any(state.is_stale),
            lambda: self._read_stale(state),
            lambda: state.cache,
        )
        return state._replace(
            cache=tf.nest.map_structure(
                lambda new, old: tf.ensure_shape(new, open_shape(old)),
                cache,
                state.cache,
            ),
            is_stale=tf.zeros_like(state.is_stale),
        )

    def _roll(self, state):
        is_full = state.window_lengths >= self._max_length
        is_full &= state.finish_reasons == RUNNING
        return state._replace(
            window_lengths=tf.where(
                is_full, self._rolled_length, state.window_lengths
            ),
            is_stale=state.is_stale | is_full,
        )

    def _read_stale(self, state):
        """Returns the cache with the windows of stale rows in it."""
        rows = tf.where(state.is_stale)[:, 0]
        starts = state.lengths - state.window_lengths
        # All of a window but its last token: the step reads that.
        counts = tf.gather(state.window_lengths - 1, rows)
        token_ids = cut_columns(
            tf.gather(state.token_ids, rows),
            tf.gather(starts, rows),
            counts,
            self._padding_id,
        )
        cache = self.read(token_ids, counts, self.cache_size(state.token_ids))
        return tf.cond(
            tf.reduce_all(state.is_stale),  # as it is at the beginning
            lambda: cache,
            lambda: _put_rows(state.cache, rows, cache),
        )

    def read(self, token_ids, lengths, cache_size):
        """Returns the cache of rows that are read from their beginning.

        Args:
            token_ids: `(batch, length)` int32, right-padded with anything.
            lengths: `(batch,)` int32, the tokens to read.
            cache_size: A scalar, the positions that the cache gets.
        """
        _, cache = self._model.hidden_states(
            token_ids,
            self._model.make_cache(tf.shape(token_ids)[0], cache_size),
            training=False,
            mask=tf.sequence_mask(lengths, tf.shape(token_ids)[1]),
        )
        return cache


def open_shape(values) -> tf.TensorShape:
    """Returns a cache's shape, for any rows and any number of positions."""
    rank = values.shape.rank
    if rank < 4:
        return tf.TensorShape([None] * rank)
    return tf.TensorShape([None, values.shape[1], None, *values.shape[3:]])


def _put_rows(cache, rows, new):
    """Returns a cache with some rows of another one in their place."""
    return tf.nest.map_structure(
        lambda old, new: tf.tensor_scatter_nd_update(old, rows[:, None], new),
        cache,
        new,
    )

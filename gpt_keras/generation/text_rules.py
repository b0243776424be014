"""Tokens come in one by one; where a row's text must end, and which tokens it
must not go on with, come out.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_matching import BannedPlaces
from gpt_keras.generation.text_matching import banned_tokens
from gpt_keras.generation.text_matching import find_banned
from gpt_keras.generation.text_matching import may_ban
from gpt_keras.generation.text_matching import no_progress
from gpt_keras.generation.text_matching import parse_patterns
from gpt_keras.generation.text_matching import read_token
from gpt_keras.generation.text_matching import read_tokens
from gpt_keras.generation.token_table import TokenTable


class TextState(NamedTuple):
    """What has been matched of stop and banned texts.

    Attributes:
        stop: `Patterns` that end a row.
        stop_progress: How much of each the end of the completion is.
        banned: `Patterns` that no row writes.
        banned_progress: How much of each the end of prompt and completion is.
        banned_places: Where the vocabulary holds them.
        is_stopped: `(batch,)` boolean, whether a stop text came.
        text_lengths: `(batch,)` int32, bytes of the completion, those of a
            stop text not counted.
    """

    stop: Any
    stop_progress: Any
    banned: Any
    banned_progress: Any
    banned_places: Any
    is_stopped: Any
    text_lengths: Any


class TextRules:
    """Stop texts and banned texts, however they are cut into tokens.

    Args:
        tokenizer: Has `vocab_size` and `token_bytes`.
        banned: Texts that no row writes.
    """

    def __init__(self, tokenizer, banned: tuple[str, ...] = ()):
        self._table = TokenTable(tokenizer)
        self._banned = "".join(SEPARATOR + text for text in banned)

    def start(
        self, settings: GenerationSettings, token_ids, lengths, written=None
    ) -> TextState:
        """Returns the state of rows that go on.

        Args:
            settings: Tensors `(batch,)`.
            token_ids: `(batch, length)` int32, what stands before: a banned
                text that begins there is not completed.
            lengths: `(batch,)` int32, the tokens of each row.
            written: `Written`, which of them are of the completion; None for
                none.
        """
        stop = parse_patterns(settings.stop)
        banned = parse_patterns(settings.banned + self._banned)
        stop_progress = no_progress(stop)
        text_lengths = tf.zeros_like(lengths)
        if written is not None:
            stop_progress = read_tokens(
                self._table, stop, written.token_ids, written.lengths
            )
            sizes = self._table.sizes_of(written.token_ids)
            is_written = tf.sequence_mask(
                written.lengths, tf.shape(sizes)[1], tf.int32
            )
            text_lengths = tf.reduce_sum(sizes * is_written, -1)
        return TextState(
            stop=stop,
            stop_progress=stop_progress,
            banned=banned,
            banned_progress=read_tokens(
                self._table, banned, token_ids, lengths
            ),
            banned_places=find_banned(self._table, banned),
            is_stopped=tf.zeros_like(lengths, bool),
            text_lengths=text_lengths,
        )

    def read(self, state: TextState, token_ids, is_added) -> TextState:
        """Returns the state after one more token in some of the rows.

        Args:
            state: The state so far.
            token_ids: `(batch,)` int32.
            is_added: `(batch,)` boolean, which rows get theirs.
        """
        token_ids = tf.where(is_added, token_ids, -1)
        token_bytes = self._table.bytes_of(token_ids)
        stop_progress, is_found, start = read_token(
            state.stop, state.stop_progress, token_bytes
        )
        banned_progress, _, _ = read_token(
            state.banned, state.banned_progress, token_bytes
        )
        added = tf.where(is_found, start, self._table.sizes_of(token_ids))
        return state._replace(
            stop_progress=stop_progress,
            banned_progress=banned_progress,
            is_stopped=state.is_stopped | is_found,
            text_lengths=state.text_lengths + added,
        )

    def banned_tokens(self, state: TextState):
        """Returns which tokens may not come next, `(batch, vocab_size)`."""
        return banned_tokens(
            self._table,
            state.banned,
            state.banned_progress,
            state.banned_places,
        )

    def may_ban(self, state: TextState):
        """Says whether `banned_tokens` gives any, a scalar."""
        return may_ban(state.banned, state.banned_progress, state.banned_places)

    def find_stops(self, state: TextState) -> BannedPlaces:
        """Looks the stop texts up in the vocabulary, once a request."""
        return find_banned(self._table, state.stop)

    def stopping_tokens(self, state: TextState, places: BannedPlaces):
        """Returns which tokens would complete a stop text.

        Args:
            state: The state so far.
            places: Of `find_stops`.

        Returns:
            `(batch, vocab_size)` boolean.
        """
        return banned_tokens(
            self._table, state.stop, state.stop_progress, places
        )

    def text_lengths(self, state: TextState, is_running):
        """Returns the bytes of the completions, `(batch,)` int32.

        Without those at the end of a running row that a stop text may begin
        with.
        """
        places = tf.range(1, tf.shape(state.stop_progress)[2] + 1)
        begun = state.stop_progress & state.stop.is_member[:, :, None]
        held = tf.reduce_max(tf.where(begun, places, 0), [1, 2])
        held = tf.maximum(held, 0)  # of no stop texts it is the least int32
        return state.text_lengths - tf.where(is_running, held, 0)

    def count_tokens(self, state: TextState, token_ids, counts, is_running):
        """Returns how many of the tokens begin before the text's end.

        Args:
            state: The state after them.
            token_ids: `(batch, length)` int32.
            counts: `(batch,)` int32, the tokens of each row.
            is_running: `(batch,)` boolean: of such a row those that can't be
                of a stop text.
        """
        sizes = self._table.sizes_of(token_ids)
        begins = tf.cumsum(sizes, -1, exclusive=True)
        is_kept = begins < self.text_lengths(state, is_running)[:, None]
        is_kept &= tf.sequence_mask(counts, tf.shape(token_ids)[1])
        kept = tf.reduce_sum(tf.cast(is_kept, tf.int32), -1)
        return tf.where(state.is_stopped | is_running, kept, counts)

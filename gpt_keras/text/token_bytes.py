"""Token ids come in, the bytes of the text go out: on the host and in the
graph.
"""

import numpy as np
import tensorflow as tf


class TokenBytes:
    """The bytes that each token stands for; special tokens have none.

    Args:
        pieces: one `bytes` a token, in the order of their ids.
    """

    def __init__(self, pieces: list[bytes]):
        # With one more, empty, for the ids that are out of range.
        self._pieces = np.array([*pieces, b""], dtype=object)

    def of(self, token_id: int) -> bytes:
        """The bytes of one token; none if the id is out of range."""
        in_range = 0 <= token_id < len(self._pieces) - 1
        return self._pieces[token_id] if in_range else b""

    def decode(self, token_ids) -> str:
        """Joins the tokens' bytes to a text; bad UTF-8 gives U+FFFD.

        Args:
            token_ids: a list or array of integers, `(length,)`.

        Raises:
            ValueError: `token_ids` is not one row of integers.
        """
        token_ids = np.asarray(token_ids)
        if token_ids.ndim != 1 or (
            token_ids.size and not np.issubdtype(token_ids.dtype, np.integer)
        ):
            raise ValueError(
                "`token_ids` must be one row of integers. Received: shape "
                f"{token_ids.shape}, dtype {token_ids.dtype}."
            )
        last = len(self._pieces) - 1
        in_range = token_ids[(token_ids >= 0) & (token_ids < last)]
        pieces = self._pieces[in_range.astype(np.int64)].tolist()
        return b"".join(pieces).decode("utf-8", "replace")

    def detokenize(self, token_ids, lengths) -> tf.Tensor:
        """Joins each row's bytes, inside the graph.

        Args:
            token_ids: integers, `(batch, length)`.
            lengths: integers, `(batch,)`; later positions count for nothing.

        Returns:
            Strings, `(batch,)`, not always UTF-8.
        """
        token_ids = tf.cast(token_ids, tf.int64)
        lengths = tf.cast(lengths, tf.int64)
        last = len(self._pieces) - 1
        positions = tf.range(tf.shape(token_ids, tf.int64)[1])
        counts = (positions < lengths[:, None]) & (token_ids >= 0)
        counts &= token_ids < last
        with tf.device("CPU:0"):  # strings live there
            pieces = tf.gather(
                tf.constant(self._pieces.tolist()),
                tf.where(counts, token_ids, last),
            )
            return tf.strings.reduce_join(pieces, axis=1)

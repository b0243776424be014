"""Indices of windows in; their places in the token stream, and batches, out.

Every function is pure: the same arguments give the same windows, on every
machine and in every run.
"""

import numpy as np
import tensorflow as tf

_ROUNDS = 16  # the default of 4 leaves epochs of 1e9 windows correlated
_GOLDEN = 0x9E3779B97F4A7C15  # splitmix64's increment, 2**64 / golden ratio
_UINT64 = 2**64 - 1


def num_windows(num_tokens: int, length: int) -> int:
    """Windows in an epoch of training.

    One fewer than fit, where several fit, so that their common offset has
    `length` places or more to move to.

    Raises:
        ValueError: There is not one window and the token that follows it.
    """
    if length < 1:
        raise ValueError(f"`length` must be positive. Received: {length}.")
    if num_tokens < length + 1:
        raise ValueError(
            "A corpus must have `length` + 1 tokens or more. "
            f"Received: {num_tokens} tokens, length={length}."
        )
    return max(1, num_tokens // length - 1)


def window_starts(indices, *, num_tokens: int, length: int, seed: int):
    """Where training windows begin, in their order of training.

    Epoch e has `num_windows` windows side by side, behind an offset drawn
    from (seed, e), and visits them in an order drawn from (seed, e). No token
    is a label twice in an epoch, fewer than 2 * length are left out, and over
    the epochs every token but the first gets its turn.

    Args:
        indices: `(n,)`, int64: the first window of the run is 0; epoch e
            begins at e * `num_windows`.
        num_tokens: Tokens in the stream.
        length: Tokens in a window; the one that follows is its last label.
        seed: Draws offsets and orders.

    Returns:
        `(n,)`, int64.

    Raises:
        ValueError: The stream is shorter than one window.

    Reference:
        Steele et al. 2014, Fast splittable pseudorandom number generators
        (splitmix64, for the hash of seed and epoch).
    """
    count = num_windows(num_tokens, length)
    indices = tf.convert_to_tensor(indices, tf.int64)
    epoch_hash = _hash_epochs(seed, indices // count)  # (n,)
    order = tf.raw_ops.RandomIndexShuffle(
        index=indices % count,
        seed=_words(epoch_hash)[:, :3],
        max_index=tf.constant(count - 1, tf.int64),
        rounds=_ROUNDS,
    )
    places = tf.constant(num_tokens - count * length, tf.uint64)
    offset = tf.cast(_mix(epoch_hash, 3) % places, tf.int64)
    return offset + order * length


def label_counts(windows, *, num_tokens: int, length: int) -> np.ndarray:
    """How many labels each window of a stream has, cut without overlap.

    Args:
        windows: `(n,)`: window w begins at token w * length. Windows past the
            end have no labels, and the last may have fewer than `length`.

    Returns:
        `(n,)`, int64. Over all windows they sum to `num_tokens` - 1.
    """
    starts = np.asarray(windows, np.int64) * length
    return np.clip(num_tokens - 1 - starts, 0, length)


def to_batch(tokens, counts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits windows into inputs and the labels that follow them.

    Args:
        tokens: `(n, length + 1)`, int32.
        counts: `(n,)`: labels of each window; what is beyond becomes padding,
            id 0 of weight 0.

    Returns:
        token_ids, labels and sample_weight, each `(n, length)`: int32, int32
        and float32.
    """
    is_token = np.arange(tokens.shape[1] - 1) < np.asarray(counts)[:, None]
    token_ids = np.where(is_token, tokens[:, :-1], np.int32(0))
    labels = np.where(is_token, tokens[:, 1:], np.int32(0))
    return token_ids, labels, is_token.astype(np.float32)


def _hash_epochs(seed: int, epochs):
    seed = tf.constant(int(seed) & _UINT64, tf.uint64)
    return _mix(_mix(seed, 1) + tf.cast(epochs, tf.uint64), 1)


def _mix(state, step: int):
    """The output of splitmix64, `step` steps after `state`."""
    z = state + tf.constant(step * _GOLDEN & _UINT64, tf.uint64)
    z = _xor_shift(z, 30) * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    z = _xor_shift(z, 27) * tf.constant(0x94D049BB133111EB, tf.uint64)
    return _xor_shift(z, 31)


def _xor_shift(z, bits: int):
    shifted = tf.bitwise.right_shift(z, tf.constant(bits, tf.uint64))
    return tf.bitwise.bitwise_xor(z, shifted)


def _words(state):
    """Four 32-bit words: (n,) uint64 → (n, 4) uint32."""
    pairs = [tf.bitcast(_mix(state, step), tf.uint32) for step in (1, 2)]
    return tf.concat(pairs, axis=-1)

"""Token ids in, the same out, or an error that says what is wrong."""

import keras


def check_length(length, max_length: int) -> None:
    """Raises ValueError for a static length beyond the model's."""
    if length is not None and length > max_length:
        raise ValueError(
            "A sequence must not be longer than `max_length`. Received: "
            f"length={length}, max_length={max_length}"
        )


def check_token_ids(
    token_ids, vocab_size: int, max_length: int, name: str = "token_ids"
):
    """Makes TensorFlow raise where it would compute something else, silently.

    It reads id -1 as the last row of the embedding, and takes a sequence
    longer than `max_length` where no table of positions ends.
    """
    if keras.backend.backend() != "tensorflow":
        return token_ids
    import tensorflow as tf

    rule = f"`{name}` must be in [0, vocab_size={vocab_size})."
    if tf.executing_eagerly():
        low, high = tf.reduce_min(token_ids), tf.reduce_max(token_ids)
        if tf.size(token_ids) and (low < 0 or high >= vocab_size):
            raise ValueError(f"{rule} Received: ids from {low} to {high}")
        return token_ids
    vocab_size = tf.cast(vocab_size, token_ids.dtype)
    checks = [
        tf.debugging.assert_non_negative(token_ids, message=rule),
        tf.debugging.assert_less(token_ids, vocab_size, message=rule),
        tf.debugging.assert_less_equal(
            tf.shape(token_ids)[1],
            max_length,
            message="A sequence must not be longer than `max_length`.",
        ),
    ]
    with tf.control_dependencies([check for check in checks if check]):
        return tf.identity(token_ids)

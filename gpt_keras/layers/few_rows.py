"""Products of few rows, as they are when one token of a row is written.

oneDNN, which multiplies for TensorFlow on a CPU, is made for many rows. With
few it reads weights a tenth slower than TensorFlow's own kernel does, and takes
longer to begin than a head's whole product. One op it leaves alone.
"""

import keras
from keras import ops


def is_one_token(x) -> bool:
    """Returns whether `(batch, length, features)` is known to have length 1."""
    return len(x.shape) == 3 and x.shape[1] == 1


def few_rows_product(x, y, *, turned: bool = False):
    """Returns X Y, or X Yᵀ where `turned`.

    Args:
        x: `(..., rows, columns)`, a few rows.
        y: `(..., columns, units)`, or `(..., units, columns)` where `turned`,
            of the same dtype.
        turned: Which of them `y` is.

    Returns:
        `(..., rows, units)`.
    """
    is_float32 = keras.backend.standardize_dtype(x.dtype) == "float32"
    if keras.backend.backend() != "tensorflow" or not is_float32:
        # In bfloat16 oneDNN is the faster one.
        return ops.matmul(x, ops.swapaxes(y, -1, -2) if turned else y)
    import tensorflow as tf

    y = tf.convert_to_tensor(y)
    return tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=tf.float32, adj_y=turned)

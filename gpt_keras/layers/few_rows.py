"""Products of few rows, as they are when one token of a row is written.

oneDNN, which multiplies for TensorFlow on a CPU, is made for many rows. With
few it reads weights a tenth slower than TensorFlow's own kernel does, and takes
longer to begin than a head's whole product. One op it leaves alone.
"""

import keras
from keras import ops

from gpt_keras.layers.dynamic_steps import is_dynamic

# From so many rows on oneDNN multiplies a large table by them faster than
# them by the table.
_ROWS = 8


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
    if keras.backend.backend() != "tensorflow" or not _is_float32(x):
        # In bfloat16 oneDNN is the faster one.
        return ops.matmul(x, ops.swapaxes(y, -1, -2) if turned else y)
    import tensorflow as tf

    y = tf.convert_to_tensor(y)
    return tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=tf.float32, adj_y=turned)


def table_product(x, table):
    """Returns X Tᵀ of a table much higher than wide, as embeddings are.

    Args:
        x: `(..., features)`. In dynamic steps, if it is of `(rows,
            features)` in float32, their number decides how it is multiplied.
        table: `(units, features)`, of the same dtype.

    Returns:
        `(..., units)`.
    """

    def plain():
        return ops.matmul(x, ops.transpose(table))

    if not (is_dynamic() and len(x.shape) == 2 and _is_float32(x)):
        return plain()
    import tensorflow as tf

    def turned():
        return ops.transpose(ops.matmul(table, ops.transpose(x)))

    return tf.cond(tf.shape(x)[0] < _ROWS, plain, turned)


def _is_float32(x) -> bool:
    return keras.backend.standardize_dtype(x.dtype) == "float32"

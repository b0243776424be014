"""A float matrix comes in, its int8 rows and their scales are kept."""

import keras
import numpy as np
import tensorflow as tf


class Int8Matrix(keras.layers.Layer):
    """A matrix of 8-bit integers with one float32 scale for each row.

    Row i stands for `scale[i] * values[i]`. The float matrix is never whole
    in memory: rows are looked up, and products are made of one block of rows
    after another.

    Args:
        rows: The number of rows: of ids, positions or output features.
        columns: Their width.

    Reference:
        Jacob et al. 2018, Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference, §2.1, with zero-point 0.
    """

    def __init__(self, rows: int, columns: int, **kwargs):
        super().__init__(**kwargs)
        self.rows = rows
        self.columns = columns

    def build(self, input_shape=None):
        self.values = self.add_weight(
            name="values",
            shape=(self.rows, self.columns),
            initializer="zeros",
            dtype="int8",
            trainable=False,
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(self.rows,),
            initializer="ones",
            dtype="float32",
            autocast=False,
            trainable=False,
        )

    def assign(self, matrix):
        """Rounds a matrix `(rows, columns)` and keeps it.

        Raises:
            ValueError: A number of it is not finite.
        """
        values, scale = quantize_rows(matrix)
        self.values.assign(values)
        self.scale.assign(scale)

    def lookup(self, indices):
        """Returns rows, `(..., columns)` in the compute dtype."""
        values = tf.cast(tf.gather(self.values.value, indices), tf.float32)
        scale = tf.gather(self.scale.value, indices)
        return tf.cast(values * scale[..., None], self.compute_dtype)

    def project(self, x):
        """Returns x Wᵀ: `(..., columns)` to `(..., rows)` in float32."""
        flat = tf.reshape(x, [-1, self.columns])
        if flat.dtype == tf.float16:  # overflows before the scale is applied
            flat = tf.cast(flat, tf.float32)
        values = self.values.value
        products = []
        before = flat
        for start in range(0, self.rows, self._block_rows):
            # Else every matrix of the model is made float at once, when the
            # step begins: none of them waits for anything.
            with tf.control_dependencies([before]):
                block = values[start : start + self._block_rows]
                block = tf.cast(block, flat.dtype)
            before = tf.matmul(flat, block, transpose_b=True)
            products.append(before)
        product = tf.cast(tf.concat(products, -1), tf.float32)
        shape = tf.concat([tf.shape(x)[:-1], [self.rows]], 0)
        product = tf.reshape(product * self.scale.value, shape)
        return tf.ensure_shape(product, [*x.shape[:-1], self.rows])

    @property
    def _block_rows(self):
        return max(_BLOCK_SIZE // self.columns // _ALIGNED, 1) * _ALIGNED


_BLOCK_SIZE = 2**22  # numbers that are float at a time
_ALIGNED = 64  # TensorFlow slices at multiples of 64 bytes without a copy


def quantize_rows(matrix) -> tuple[np.ndarray, np.ndarray]:
    """Rounds each row to the multiples of a scale of its own.

    Args:
        matrix: `(rows, columns)` floats.

    Returns:
        int8 `(rows, columns)` in [-127, 127], and the scales `(rows,)`
        float32. Their product differs from the matrix by half of a scale at
        most.

    Raises:
        ValueError: A number is not finite.
    """
    matrix = np.asarray(matrix, np.float32)
    largest = np.abs(matrix).max(-1)
    if not np.isfinite(largest).all():
        raise ValueError(
            "Weights must be finite to be quantized. Received: a matrix "
            f"{matrix.shape} with {(~np.isfinite(matrix)).sum()} others"
        )
    # A row of zeros, or one too small for a scale, is zeros again.
    scale = np.where(largest < _TINY, 1, largest / 127).astype(np.float32)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


_TINY = 1e-35  # its 127th part is a float32 of full precision

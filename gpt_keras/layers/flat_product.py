"""States of any rank and a matrix in, their product out."""

from keras import ops

from gpt_keras.layers.few_rows import few_rows_product
from gpt_keras.layers.few_rows import is_one_token


def leading_shape(x) -> tuple:
    """Returns all but the last of a tensor's sizes, for a reshape.

    Where one is unknown in the graph it is -1, so that nothing has to be
    computed; where more are, they are tensors.
    """
    sizes = x.shape[:-1]
    if sum(size is None for size in sizes) < 2:
        return tuple(-1 if size is None else size for size in sizes)
    return tuple(ops.shape(x)[:-1])


def flat_product(x, kernel, bias=None):
    """Returns x W + b by one product of two matrices.

    Keras multiplies what has three axes by `tensordot`, which takes a dozen
    operations on shapes, and stands between product and bias, so that they
    can't be one operation.

    Args:
        x: `(..., features)`.
        kernel: `(features, units)`.
        bias: `(units,)` or None.

    Returns:
        `(..., units)`.
    """
    features, units = kernel.shape
    is_flat = len(x.shape) == 2
    flat = x if is_flat else ops.reshape(x, (-1, features))
    product = few_rows_product if is_one_token(x) else ops.matmul
    outputs = product(flat, kernel)
    if bias is not None:
        outputs = ops.add(outputs, bias)
    if is_flat:
        return outputs
    return ops.reshape(outputs, (*leading_shape(x), units))

"""A precision in, what the device reaches and has used out."""

import resource
import sys
import time

import keras
import tensorflow as tf

_SECONDS = 0.3  # spent on measuring
_SMALLEST = 256  # rows of the first matrices
# Enough work that starting it costs nothing: a millisecond or more each.
_LARGEST_ON_CPU, _PRODUCTS_ON_CPU = 2048, 1
_LARGEST_ON_GPU, _PRODUCTS_ON_GPU = 8192, 4  # the wait is theirs together


def peak_flops(dtype_policy: str) -> float:
    """Measures the operations per second of a large matrix product.

    It is what TensorFlow reaches on this machine, below what the maker of a
    GPU states, and takes some 0.3 s. What it allocates on a GPU would count
    in `peak_memory`, so the peak is reset: call it before training.

    Args:
        dtype_policy: The product is in its compute dtype, and with the
            settings in force (TensorFloat-32 on a GPU).

    Returns:
        The operations per second of one device: the one that TensorFlow
        chooses, or that of a `tf.device` around the call. Logical CPU devices
        share what one of them reaches alone.
    """
    dtype = keras.dtype_policies.get(dtype_policy).compute_dtype
    device = tf.zeros(()).device
    largest, products = _LARGEST_ON_CPU, _PRODUCTS_ON_CPU
    if "GPU" in device:
        largest, products = _LARGEST_ON_GPU, _PRODUCTS_ON_GPU
    size, best = _SMALLEST, 0.0
    _product_seconds(
        size, dtype, products
    )  # loads libraries and starts threads
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        seconds = _product_seconds(size, dtype, products)
        best = max(best, 2 * size**3 / seconds)
        # Twice the size is 8 times the work, which must not take long where
        # a dtype is slow.
        if size < largest and seconds < _SECONDS / 16:
            size *= 2
    if "GPU" in device:
        tf.config.experimental.reset_memory_stats(device)
    return best


def _product_seconds(size: int, dtype: str, products: int) -> float:
    """Returns the seconds that one of some square products takes."""
    matrix = tf.ones((size, size), dtype)
    matrix[0, 0].numpy()  # a GPU works on while Python goes ahead
    start = time.perf_counter()
    for _ in range(products):
        product = tf.matmul(matrix, matrix)
    product[0, 0].numpy()
    return (time.perf_counter() - start) / products


def peak_memory() -> int:
    """Returns the most memory in use so far, in bytes.

    With a GPU it is what TensorFlow had allocated there, on the fullest one;
    without, what the process had resident, mapped files included.
    """
    gpus = len(tf.config.list_logical_devices("GPU"))
    if gpus:
        return max(
            tf.config.experimental.get_memory_info(f"GPU:{index}")["peak"]
            for index in range(gpus)
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS: bytes

"""Queries, keys and values in, causal attention by the GPU's own kernel out.

XLA writes the scores of plain operations to memory and reads them again,
several times. A kernel that keeps them on the chip is in cuDNN, and JAX calls
it. Keras's own call of it (`keras.ops.dot_product_attention`) looks into JAX's
private parts, and takes all scores at once where it can't have the kernel.
"""

import keras
from keras import ops


def can_flash(query) -> bool:
    """Returns whether there is a kernel for queries like these.

    There is on Keras's JAX backend, on an Nvidia GPU since Ampere, in 16 bits,
    unless `keras.config.disable_flash_attention()` was called.

    Args:
        query: `(batch, num_heads, length, head_dim)`.
    """
    if keras.backend.backend() != "jax":
        return False
    is_wanted = keras.config.is_flash_attention_enabled() is not False
    dtype = keras.backend.standardize_dtype(query.dtype)
    head_dim = query.shape[-1]
    # Of all such GPUs; some take wider heads.
    fits = head_dim <= 128 and head_dim % 8 == 0
    is_known = dtype in ("bfloat16", "float16") and fits
    return is_wanted and is_known and _has_gpu()


def flash_attend(query, key, value):
    """Returns softmax(QKᵀ / √head_dim) V, each query with no key behind it.

    Args:
        query: `(batch, num_heads, length, head_dim)`, for which `can_flash`.
        key: As `query`.
        value: As `query`.

    Returns:
        As `query`. The softmax is in float32.

    Reference:
        Dao et al. 2022, FlashAttention.
    """
    import jax

    outputs = jax.nn.dot_product_attention(
        *[_heads_third(x) for x in (query, key, value)],
        is_causal=True,
        implementation="cudnn",
    )
    return _heads_third(outputs)


def _has_gpu() -> bool:
    import jax

    device = jax.devices()[0]
    # AMD's have no numbers.
    version = str(getattr(device, "compute_capability", "")).split(".")[0]
    return device.platform == "gpu" and version.isdigit() and int(version) >= 8


def _heads_third(x):
    """Exchanges heads and length. XLA joins it with the copy that is due."""
    return ops.transpose(x, (0, 2, 1, 3))

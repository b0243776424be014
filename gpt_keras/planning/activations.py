"""The sizes of a model in, the bytes that its forward pass keeps out.

Kept is what the gradients need of a block, as TensorFlow's graph of it says;
`tests/planning/activations_test.py` compares with that graph.
"""

from gpt_keras.layers.blockwise_attention import block_size
from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.architecture import kernel_shapes

FLOAT32 = 4
# Tensors `(batch, length, dff)` that the gradient of an activation needs.
_WIDE = {"relu": 1, "gelu": 2, "relu_squared": 2}
# As large ones that it makes on the way, at most at a time.
_WIDE_WORK = {"relu": 2, "gelu": 5, "relu_squared": 3}
# Tensors `(batch, num_heads, queries, length)` float32 of the queries that are
# taken at a time: the weights, their gradients, and the scores with theirs.
_SCORES_WORK = 4


def block_activations(
    sizes: Architecture, rows: int, length: int, width: int
) -> int:
    """Returns the bytes that a block keeps, its input included.

    Args:
        sizes: Of the model.
        rows: Sequences in a microbatch of one device.
        length: Of the sequences.
        width: Bytes of a number in the compute dtype.
    """
    tokens = rows * length
    half = width < FLOAT32
    # What goes into both norms and what comes out; queries, keys and values;
    # what attention gathers, head by head and side by side.
    bytes_per_feature = (4 + 3 + 2) * width
    if sizes.qk_norm:
        bytes_per_feature += 2 * width  # before it
    if sizes.rate > 0:
        bytes_per_feature += 2  # the masks of both branches
    # Scale, and mean if there is one, of each norm.
    per_token = 2 * FLOAT32 * (2 if sizes.norm == "layer" else 1)
    if sizes.qk_norm:
        per_token += 2 * FLOAT32 * sizes.num_heads
    return (
        tokens * sizes.d_model * bytes_per_feature
        + tokens * sizes.dff * width * _WIDE[sizes.activation]
        + tokens * per_token
        + length**2  # who may see whom
        + (_kernels(sizes) * width if half else 0)  # copies to compute with
    )


def activations(sizes: Architecture, rows: int, length: int, width: int) -> int:
    """Returns the bytes that a forward pass keeps, up to the logits.

    With `remat`, the inputs of the blocks, and all of one.
    """
    tokens = rows * length
    block = block_activations(sizes, rows, length, width)
    ends = tokens * sizes.d_model * (2 * FLOAT32 + width)  # the last norm
    ends += tokens * sizes.d_model * (sizes.rate > 0)
    if not sizes.remat:
        return sizes.num_layers * block + ends
    inputs = sizes.num_layers * tokens * sizes.d_model * width
    return inputs + block + ends


def block_work(sizes: Architecture, rows: int, length: int, width: int) -> int:
    """Returns the bytes that the gradients of a block take on their way."""
    wide = rows * length * sizes.dff * width * _WIDE_WORK[sizes.activation]
    scores = sizes.num_heads * rows * block_size(length) * length
    return max(wide, scores * FLOAT32 * _SCORES_WORK)


def _kernels(sizes: Architecture) -> int:
    return sum(
        rows * columns for rows, columns in kernel_shapes(sizes).values()
    )

"""What turns states into logits, as data: for a loss that makes no logits."""

from typing import Any
from typing import NamedTuple


class Projection(NamedTuple):
    """The projection of states `(…, d_model)` onto the vocabulary.

    Attributes:
        kernel: `(d_model, width)`, in the variables' dtype.
        bias: `(width,)` or None.
        transposed: Whether the kernel is `(width, d_model)`.
        vocab_size: How many of the `width` outputs are token ids; the others
            are padding, behind them, and have no probability. None: all.
        trainable: Whether kernel and bias are to have gradients.
    """

    kernel: Any
    bias: Any = None
    transposed: bool = False
    vocab_size: int | None = None
    trainable: bool = True

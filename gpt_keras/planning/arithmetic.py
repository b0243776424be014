"""The sizes of a model in, the operations that a token takes out."""

import dataclasses

from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.architecture import parameters_of


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """Floating-point operations of one token in training.

    They are the model's, as `training.model_flops` counts them: what is
    computed again to save memory is apart.

    Attributes:
        forward: By the matrices, projection onto the vocabulary included.
        forward_attention: By queries and keys, and by weights and values;
            grows with the length of the sequence.
        backward: For the gradients of inputs and of what is trained.
        backward_attention: The same for the attention.
        recomputed: Forward passes of the blocks that `remat` takes again.
    """

    forward: int
    forward_attention: int
    backward: int
    backward_attention: int
    recomputed: int

    @property
    def model(self) -> int:
        """All that counts as the model's."""
        return (
            self.forward
            + self.forward_attention
            + self.backward
            + self.backward_attention
        )


def arithmetic_of(sizes: Architecture, length: int) -> Arithmetic:
    """Counts the operations of one token in sequences of a length.

    Reference:
        Chowdhery et al. 2022, PaLM, appendix B.
    """
    parameters = parameters_of(sizes)
    projection = sizes.vocab_size * sizes.d_model  # without padding
    base = parameters.block_kernels + projection
    adapters = parameters.adapters
    # Two for each element; backward as many for the inputs, and as many again
    # for the kernel if it is trained.
    frozen = 2 if sizes.lora_rank else 4
    attention = 4 * sizes.num_layers * sizes.d_model * length
    forward = 2 * (base + adapters)
    in_blocks = 2 * (parameters.block_kernels + adapters) + attention
    return Arithmetic(
        forward=forward,
        forward_attention=attention,
        backward=frozen * base + 4 * adapters,
        backward_attention=2 * attention,
        recomputed=in_blocks if sizes.remat else 0,
    )

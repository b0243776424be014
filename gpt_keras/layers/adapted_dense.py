"""A dense layer that can have a low-rank adapter beside its frozen kernel."""

import keras
from keras import ops

from gpt_keras.layers.flat_product import flat_product


@keras.saving.register_keras_serializable(package="gpt_keras")
class AdaptedDense(keras.layers.Dense):
    """`keras.layers.Dense` whose adapter is applied to the inputs.

    The adapter is Keras' own, `enable_lora(rank, lora_alpha)`, and so are its
    variables, and that `save` writes the merged kernel. Keras however adds the
    product of both adapter matrices to the kernel in every call, which takes
    the gradient of a whole kernel in training, and touches all of it for each
    token in decoding. Here the inputs go through the two small matrices: a
    third less arithmetic in training.

    Args:
        *args: As `keras.layers.Dense`.
        **kwargs: As there.

    Reference:
        Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models,
        §4.1.
    """

    def call(self, inputs, training=None):
        if not self.lora_enabled:
            outputs = flat_product(inputs, self.kernel, self.bias)
        else:
            # Private to Keras, whose `kernel` is the merged one.
            outputs = flat_product(inputs, self._kernel)
            low_rank = flat_product(inputs, self.lora_kernel_a)
            low_rank = low_rank * (self.lora_alpha / self.lora_rank)
            outputs = outputs + flat_product(low_rank, self.lora_kernel_b)
            if self.bias is not None:
                outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

"""A model in, the same with low-rank adapters that alone are trained out."""

import keras
from keras import ops

from gpt_keras.layers.adapted_dense import AdaptedDense


def enable_lora(
    model, rank: int, alpha: float | None = None, seed: int | None = None
) -> None:
    """Freezes a model and puts adapters beside the matrices of its blocks.

    Every weight that is there is frozen, embeddings, biases and norms too.
    The two matrices of an adapter are float32 under every dtype policy; the
    second one begins with zeros, so the model computes what it did. All four
    projections of a block get one: with adapters for attention alone, full
    fine-tuning isn't reached (Dettmers et al. 2023, QLoRA, §4).

    Args:
        model: A built `GPTModel`. Compile it afterwards, or again.
        rank: Of the adapters.
        alpha: Their product is multiplied by alpha / rank; None for `rank`.
        seed: Of what they begin with; None for one drawn by Keras.

    Raises:
        ValueError: The model isn't built, has adapters, or the rank or alpha
            is out of range.

    Reference:
        Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models.
    """
    if not model.built or adapters(model):
        state = "one that has some" if model.built else "one not built"
        raise ValueError(
            f"Adapters need a built model without any. Received: {state}"
        )
    largest = min(model.d_model, model.dff)
    if not 1 <= rank <= largest:
        raise ValueError(
            "`rank` must be from 1 to the smaller of `d_model` and `dff`, "
            f"{largest}. Received: rank={rank}"
        )
    if alpha is not None and not alpha > 0:
        raise ValueError(f"`alpha` must be positive. Received: alpha={alpha}")
    for weight in model.weights:
        weight.trainable = False
    for index, layer in enumerate(_projections(model)):
        layer_seed = None if seed is None else seed + index
        initializer = keras.initializers.HeUniform(layer_seed)
        layer.enable_lora(rank, alpha, a_initializer=initializer)


def adapters(model) -> list:
    """Returns the variables of a model's adapters, none if it has none."""
    return [
        variable
        for layer in _projections(model)
        if layer.lora_enabled
        for variable in (layer.lora_kernel_a, layer.lora_kernel_b)
    ]


def base_weights(model) -> list:
    """Returns the weights of a model, those of its adapters excepted."""
    added = {id(variable) for variable in adapters(model)}
    return [weight for weight in model.weights if id(weight) not in added]


def merged(model):
    """Returns a model without adapters that computes the same.

    Args:
        model: A built `GPTModel`. It is not changed.

    Returns:
        A copy whose kernels are the sums; the model itself where it has no
        adapters.
    """
    if not adapters(model):
        return model
    copy = type(model).from_config(model.get_config())
    copy.build((None, copy.max_length))
    sources = base_weights(model)
    for weight, source in zip(copy.weights, sources, strict=True):
        weight.assign(source)
    pairs = zip(_projections(copy), _projections(model), strict=True)
    for layer, source in pairs:
        product = ops.matmul(source.lora_kernel_a, source.lora_kernel_b)
        scale = source.lora_alpha / source.lora_rank
        layer.kernel.assign_add(ops.cast(product * scale, layer.kernel.dtype))
    return copy


def _projections(model) -> list:
    """Returns the layers that may have adapters: not those of int8."""
    return [
        layer
        for block in model.blocks
        for layer in block.projections
        if isinstance(layer, AdaptedDense)
    ]

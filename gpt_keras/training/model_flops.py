"""A model and a length in, the arithmetic that training takes out."""


def training_flops_per_token(model, length: int) -> float:
    """Counts the operations of one token's forward and backward pass.

    They are the model's, not the hardware's: what is computed a second time
    to save memory doesn't count. A matrix that tokens are multiplied by takes
    6 per element, of which forward has 2 and its own gradient, which a frozen
    one doesn't have, 2; attention takes 12 * num_layers * d_model * length.
    Padding of the vocabulary doesn't count. Every position is counted as if it
    attended to all, though causality hides half of them; embedding lookups,
    norms, softmax and the optimizer are left out.

    Args:
        model: A built `GPTModel`.
        length: Of the sequences it is trained on.

    Returns:
        The number of floating-point operations per token.

    Reference:
        Chowdhery et al. 2022, PaLM, appendix B.
    """
    projection = model.projection().kernel
    operations = 12 * model.num_layers * model.d_model * length
    # Of tied embeddings too: the lookup is free, the projection isn't.
    operations += _factor(projection) * model.vocab_size * model.d_model
    for weight in model.weights:
        if weight.path.endswith(_MATRICES) and weight is not projection:
            operations += _factor(weight) * weight.shape[0] * weight.shape[1]
    return float(operations)


_MATRICES = ("/kernel", "/lora_kernel_a", "/lora_kernel_b")


def _factor(matrix) -> int:
    return 6 if matrix.trainable else 4

"""A trained model in, one of another vocabulary or context out.

Every function returns a new model with the weights of the old one; what both
have in common they compute alike.
"""

import numpy as np

from gpt_keras.layers.lora import adapters

# Of the spread of the embeddings: so that tokens which begin alike can part.
_NOISE = 0.01


def pad_vocabulary(model, multiple: int):
    """Returns a model whose rows for tokens come in multiples of a number.

    Nobody sees the padding: see `vocab_multiple` of `GPTModel`. The rows of
    padding are zeros.

    Args:
        model: A built `GPTModel`. It is not changed.
        multiple: 64 suits the matrix units of GPUs; 1 takes padding away.

    Raises:
        ValueError: `multiple` isn't positive, or the model isn't built or has
            adapters.
    """
    copy = _resized(model, vocab_multiple=multiple)
    _fill_vocabulary(copy, model, ())
    return copy


def add_tokens(model, count: int, seed: int = 0, noise: float = _NOISE):
    """Returns a model that knows more tokens, whose ids follow the old ones.

    The embeddings of new tokens, and their rows in the projection, are the
    mean of the old ones, with noise of a share of their spread. New tokens
    then have the probability of an average token, where random
    embeddings may outweigh all others.

    Args:
        model: A built `GPTModel`. It is not changed.
        count: How many tokens.
        seed: Of the noise.
        noise: The share. By 1 new tokens differ as the old ones do, which they
            must where embeddings are not trained.

    Returns:
        The model. Its logits for the old tokens are the old model's.

    Raises:
        ValueError: `count` isn't positive, or the model isn't built or has
            adapters.

    Reference:
        Hewitt 2021, Initializing New Word Embeddings for Pretrained Language
        Models.
    """
    if count < 1:
        raise ValueError(f"`count` must be positive. Received: count={count}")
    copy = _resized(model, vocab_size=model.vocab_size + count)
    random = np.random.default_rng(seed)
    _fill_vocabulary(copy, model, (count, random, noise))
    return copy


def resize_context(model, max_length: int):
    """Returns a model for longer, or only for shorter sequences.

    Sinusoidal and rotary positions go on by themselves. Learned positions are
    cropped; new ones begin as copies of the old ones from the first on, which
    keeps what neighbours are to each other everywhere but at the seams. The
    first `max_length` positions stay as they are: on texts that fit into both
    models they compute the same. Beyond the old context no model is good
    before it was trained there.

    Args:
        model: A built `GPTModel`. It is not changed.
        max_length: The new longest sequence.

    Raises:
        ValueError: `max_length` isn't positive, or the model isn't built or
            has adapters.

    Reference:
        Beltagy et al. 2020, Longformer, §5, on new positions.
    """
    copy = _resized(model, max_length=max_length)
    if model.position == "learned":
        table = np.asarray(model.positional_encoding.table)
        rows = np.arange(max_length) % model.max_length
        copy.positional_encoding.table.assign(table[rows])
    return copy


def _resized(model, **sizes):
    """Returns a model of other sizes, with all weights of equal shape."""
    if not model.built or adapters(model):
        state = "one that has adapters" if model.built else "one not built"
        raise ValueError(
            "A model must be built, and its adapters merged, to be resized. "
            f"Received: {state}"
        )
    copy = type(model).from_config(model.get_config() | sizes)
    copy.build((None, copy.max_length))
    for weight, source in zip(copy.weights, model.weights, strict=True):
        if weight.shape == source.shape:
            weight.assign(source)
    return copy


def _fill_vocabulary(copy, model, added):
    """Writes what has a row for each token."""
    embedding, sources = copy.embedding.embeddings, model.embedding.embeddings
    embedding.assign(_rows(copy, model, np.asarray(sources), added))
    if model.tie_embeddings:
        return
    layer, source = copy.final_layer, model.final_layer
    kernel = _rows(copy, model, np.asarray(source.kernel).T, added)
    layer.kernel.assign(kernel.T)
    if model.use_bias:
        bias = np.asarray(source.bias)[:, None]
        layer.bias.assign(_rows(copy, model, bias, added)[:, 0])


def _rows(copy, model, rows, added):
    """Returns the old rows, new ones, and padding, as many as `copy` has."""
    old = rows[: model.vocab_size]
    parts = [old]
    if added:
        count, random, share = added
        noise = random.normal(size=(count, rows.shape[1]))
        parts.append(old.mean(0) + share * old.std(0) * noise)
    missing = copy.padded_vocab_size - copy.vocab_size
    parts.append(np.zeros((missing, rows.shape[1])))
    return np.concatenate(parts).astype(rows.dtype)

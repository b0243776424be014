"""A text in, what a model expected at each of its places out."""

from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """What stands at a place, and what the tokens before let expect there.

    Attributes:
        token_id: The token; None at the place behind the last.
        loss: The negative logarithm of the token's probability, in nats. None
            where there is no token, and at the first place, before which
            there is nothing to expect anything from.
        rank: 1 where no token was likelier, 2 where one was, and so on; None
            where `loss` is.
        entropy: The loss that the model itself expected, in nats; None at the
            first place.
        top: The likeliest tokens, `(token_id, probability)`, in their order.
    """

    token_id: int | None
    loss: float | None = None
    rank: int | None = None
    entropy: float | None = None
    top: tuple[tuple[int, float], ...] = ()


def prompt_ids(model, tokenizer, prompt: str) -> list[int]:
    """Returns the token ids of a text that a model takes whole.

    Args:
        model: Has `max_length`.
        tokenizer: The one that the model was trained with.
        prompt: The text.

    Raises:
        ValueError: It is empty, or has more tokens than `max_length`.
    """
    token_ids = tokenizer.encode(prompt)
    if not token_ids:
        raise ValueError("`prompt` must not be empty. Received: ''")
    if len(token_ids) > model.max_length:
        raise ValueError(
            "`prompt` must not be longer than the model's `max_length` of "
            f"{model.max_length} tokens. Received: {len(token_ids)} tokens"
        )
    return token_ids


def look_at(
    model, token_ids: list[int], vocab_size: int, top: int = 5
) -> list[Place]:
    """Runs a model over a text and notes what it expected.

    Args:
        model: Takes `(batch, length)` token ids, gives logits.
        token_ids: The text's, one or more.
        vocab_size: The tokenizer's. Logits beyond, of a model whose
            vocabulary was padded, don't count.
        top: How many of the likeliest tokens to keep.

    Returns:
        A place for each token, and one for what may follow.

    Raises:
        ValueError: `top` is out of range, or a logit is no finite number.
    """
    if not 1 <= top <= vocab_size:
        raise ValueError(
            f"`top` must be in [1, vocab_size={vocab_size}]. Received: {top}"
        )
    inputs = np.array([token_ids], np.int32)
    logits = np.array(model(inputs, training=False))[0, :, :vocab_size]
    if not np.isfinite(logits).all():
        raise ValueError(
            "The model's logits must be finite; its weights are damaged, or "
            "its training went out of range. Received: "
            f"{logits[~np.isfinite(logits)][0]}"
        )
    following = [*token_ids[1:], None]
    places = [
        _place(token_id, row.astype(np.float64), top)
        for token_id, row in zip(following, logits, strict=True)
    ]
    return [Place(token_ids[0]), *places]


def mean_loss(places: list[Place]) -> float | None:
    """Returns the mean of the losses, in nats per token; None without any."""
    losses = [place.loss for place in places if place.loss is not None]
    return sum(losses) / len(losses) if losses else None


def _place(token_id, logits, top) -> Place:
    logits = logits - logits.max()
    logprobs = logits - np.log(np.exp(logits).sum())
    probabilities = np.exp(logprobs)
    likeliest = np.argsort(-logprobs, kind="stable")[:top]
    place = Place(
        token_id,
        entropy=-float(probabilities @ logprobs),
        top=tuple((int(i), float(probabilities[i])) for i in likeliest),
    )
    if token_id is None:
        return place
    likelier = int((logprobs > logprobs[token_id]).sum())
    return place._replace(loss=-float(logprobs[token_id]), rank=1 + likelier)

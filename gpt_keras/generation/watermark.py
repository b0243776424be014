"""A secret key and the token before come in, a mark on the next one out.

Who holds the key finds the mark in the text again.
"""

import math
from dataclasses import dataclass
from dataclasses import field

import numpy as np
import tensorflow as tf

from gpt_keras.generation.split_mix import stream_bits


@dataclass(frozen=True)
class Watermark:
    """A statistical watermark: which tokens are likelier after which.

    The key and the token before colour the vocabulary: each token is green
    with probability `share`, and green ones are made likelier. Text that
    repeats what it was given, or that hardly has a choice, carries little of
    it; a text that is written anew loses it. It is a sign, no proof: the hash
    is not cryptographic, and who sees much marked text can learn to imitate
    it.

    Attributes:
        key: From 0 to 2**64 - 1. It stands in an exported graph: keep the
            folder as secret as the key.
        strength: What is added to the logits of green tokens (the paper's
            delta), above 0 and at most 100.
        share: The share of green tokens (the paper's gamma), between 0 and 1.

    Raises:
        ValueError: A value breaks its rule.

    Reference:
        Kirchenbauer et al. 2023, A Watermark for Large Language Models, §3,
        Algorithm 2. There exactly a share of the vocabulary is green; here
        every token for itself, which needs no sorting.
    """

    key: int = field(repr=False)  # it is secret
    strength: float = 2.0  # Kirchenbauer et al. 2023, §6
    share: float = 0.25  # Kirchenbauer et al. 2023, §6

    def __post_init__(self):
        if type(self.key) is not int or not 0 <= self.key < 2**64:
            raise ValueError(
                "`key` must be an integer from 0 to 2**64 - 1. Received: "
                f"a {type(self.key).__name__}"  # it is secret
            )
        if not 0 < self.strength <= 100:
            raise ValueError(
                "`strength` must be above 0 and at most 100. Received: "
                f"strength={self.strength}"
            )
        if not 0 < self.share < 1:
            raise ValueError(
                f"`share` must be between 0 and 1. Received: share={self.share}"
            )


def green_tokens(watermark: Watermark, previous_ids, vocab_size: int):
    """Says which tokens are green after others, inside a graph.

    Args:
        watermark: The watermark.
        previous_ids: `(batch,)` int32.
        vocab_size: How many tokens there are.

    Returns:
        `(batch, vocab_size)` boolean.
    """
    bits = stream_bits(
        tf.constant([[watermark.key]], tf.uint64),
        tf.cast(previous_ids, tf.uint64)[:, None],
        tf.cast(tf.range(vocab_size), tf.uint64)[None],
    )
    return bits < _limit(watermark)


@dataclass(frozen=True)
class Detection:
    """How much of a watermark a text holds.

    Attributes:
        z_score: By how many standard deviations there are more green tokens
            than chance would have; 0 where nothing was counted.
        green: How many of the counted tokens are green.
        counted: The tokens that were counted: each once after the same token,
            and not the first one.
        p_value: How likely text without the watermark has as many green
            tokens.
    """

    z_score: float
    green: int
    counted: int
    p_value: float


def detect(watermark: Watermark, token_ids) -> Detection:
    """Looks for a watermark in a text.

    Args:
        watermark: The one that the text may hold; its `strength` plays no
            part.
        token_ids: `(length,)` integers, the text's tokens. Less than two hold
            nothing to count.

    Returns:
        `Detection`.

    Raises:
        ValueError: `token_ids` has another shape, or one is negative.

    Reference:
        Kirchenbauer et al. 2023, §3, Eq. 3.
    """
    token_ids = _check_ids(token_ids)
    pairs = np.unique(np.stack([token_ids[:-1], token_ids[1:]]), axis=1)
    bits = stream_bits(
        np.array([watermark.key], np.uint64),
        *pairs,
        right_shift=np.right_shift,
    )
    counted = len(bits)
    green = int((bits < _limit(watermark)).sum())
    share = watermark.share
    deviation = math.sqrt(counted * share * (1 - share)) or 1.0
    return Detection(
        z_score=(green - share * counted) / deviation,
        green=green,
        counted=counted,
        p_value=_binomial_tail(green, counted, share),
    )


def _check_ids(token_ids):
    array = np.asarray(token_ids)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.uint64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(
            "`token_ids` must be a list of integers that are not negative. "
            f"Received: {token_ids!r:.80}"
        )
    return array.astype(np.uint64)


def _limit(watermark):
    """Returns the bits below which a token is green, uint64."""
    return np.uint64(int(watermark.share * 2**64))


def _binomial_tail(successes: int, trials: int, share: float) -> float:
    """Returns the probability of at least so many successes."""
    if successes == 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    counts = np.arange(successes, trials + 1)
    terms = logs[trials] - logs[counts] - logs[trials - counts]
    terms += counts * math.log(share) + (trials - counts) * math.log1p(-share)
    most = terms.max()
    return min(1.0, float(np.exp(most) * np.exp(terms - most).sum()))

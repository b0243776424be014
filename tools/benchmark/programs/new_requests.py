"""Numbers in, requests that a program has never had before out."""

from typing import NamedTuple


class Request(NamedTuple):
    """Prompts of random tokens, and how to draw the first one after them."""

    rows: int
    prompt_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int


def new_request(number: int) -> Request:
    """Returns a request that differs from all those of smaller numbers.

    One after the other another length, another number of rows and other
    settings are new; nothing else differs from the request before but the seed.
    """
    settings = number // 3
    return Request(
        rows=1 + (number + 1) // 3,
        prompt_tokens=32 + 16 * ((number + 2) // 3),
        temperature=0.7 + 0.1 * settings,
        top_k=1 + 4 * settings,
        top_p=0.9 * 0.99**settings,
        seed=number,
    )

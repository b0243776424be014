"""Spans of token ids and a corpus in, which spans stand in it out."""

import collections

import numpy as np

TOKENS_AT_ONCE = 2**20
_BASE = 0x9E3779B97F4A7C15  # odd, 2^64 over the golden ratio
_MIX = 0xBF58476D1CE4E5B9  # odd, of splitmix64


def find_spans(spans, corpus, tokens_at_once: int = TOKENS_AT_ONCE):
    """Says which spans stand in a corpus, token for token.

    The corpus is read once, a piece at a time. Each of its windows has a
    rolling hash; where it is that of a span, the tokens are compared.

    Args:
        spans: `(n, size)` integers, one span or more.
        corpus: Has `num_tokens` and `read(starts, length)`, as `TokenSplit`.
        tokens_at_once: Windows that are hashed at a time.

    Returns:
        `(n,)` boolean.
    """
    spans = np.asarray(spans, np.int32)
    size = spans.shape[1]
    found = np.zeros(len(spans), bool)
    missing = collections.defaultdict(list)
    for index, span in enumerate(spans):
        missing[int(window_hashes(span, size)[0])].append(index)
    for start in range(0, corpus.num_tokens - size + 1, tokens_at_once):
        length = min(tokens_at_once + size - 1, corpus.num_tokens - start)
        ids = corpus.read([start], length)[0]
        hashes = window_hashes(ids, size)
        for place in _candidates(hashes, missing):
            _compare(ids[place : place + size], spans, missing, found)
        if not missing:
            break
    return found


def window_hashes(ids, size: int) -> np.ndarray:
    """Returns the hash of every window of `size` ids.

    It is the polynomial of the ids in a fixed base modulo 2^64, put together
    from those of windows of 1, 2, 4, … ids.

    Args:
        ids: `(tokens,)` integers, `size` or more.
        size: Tokens in a window.

    Returns:
        `(tokens - size + 1,)` uint64.
    """
    doubled = (np.asarray(ids).astype(np.uint64) + 1) * np.uint64(_MIX)
    whole, done, width = doubled[:0], 0, 1
    while True:
        factor = np.uint64(pow(_BASE, width, 2**64))
        if size & width:
            whole = _joined(whole, done, doubled, factor)
            done += width
        if 2 * width > size:
            return whole
        doubled = _joined(doubled, width, doubled, factor)
        width *= 2


def _joined(left, width, right, factor):
    """Hashes of windows of `left`, each `width` ids, and `right` behind."""
    if not width:
        return right
    behind = right[width:]
    return left[: len(behind)] * factor + behind


def _candidates(hashes, missing) -> list[int]:
    """Returns the places of windows that have the hash of a span."""
    wanted = np.fromiter(missing, np.uint64, len(missing))
    first_bits = np.zeros(2**16, bool)
    first_bits[wanted >> np.uint64(48)] = True
    places = np.flatnonzero(first_bits[hashes >> np.uint64(48)])
    return places[np.isin(hashes[places], wanted)].tolist()


def _compare(window, spans, missing, found) -> None:
    """Takes the spans that a window equals off those that are missing."""
    key = int(window_hashes(window, len(window))[0])
    left = []
    for index in missing.pop(key, ()):
        if np.array_equal(window, spans[index]):
            found[index] = True
        else:
            left.append(index)
    if left:
        missing[key] = left

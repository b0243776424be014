"""Token ids in, where the document of each token begins out."""

from keras import ops

from gpt_keras.layers.positional_encoding import token_positions


def document_starts(
    token_ids, separator_id: int, max_length: int, mask=None, cache=None
):
    """Returns the place where each token's document begins.

    A separator is the first token of the document behind it. What stands
    before a row's first separator is a document too, or the rest of one.

    Args:
        token_ids: `(batch, length)` integers.
        separator_id: The token that begins a document.
        max_length: No row is longer.
        mask: Boolean `(batch, length)`, True where there is a token; a
            separator elsewhere is padding and begins nothing.
        cache: `KVCache` of the tokens before, or None.

    Returns:
        `(batch, length)` int32. Places are counted from the beginning of the
        row, or of the cache where there is one.
    """
    is_first = ops.equal(token_ids, separator_id)
    if mask is not None:
        is_first = is_first & ops.cast(mask, "bool")
    start = None if cache is None else cache.lengths
    places = token_positions(ops.shape(token_ids)[1], start)
    before = 0 if cache is None else cache.document_starts[:, None]
    starts = ops.where(is_first, places, before)
    return _running_maximum(starts, token_ids.shape[1] or max_length)


def _running_maximum(values, longest: int):
    """Returns the maximum up to each column of `(batch, length)` int32 ≥ 0.

    By doubling: a maximum over 1, 2, 4, … columns; it needs no memory of the
    size of length².
    """
    length = ops.shape(values)[1]
    reach = 1
    while reach < longest:
        moved = ops.pad(values, [[0, 0], [reach, 0]])[:, :length]
        values = ops.maximum(values, moved)
        reach *= 2
    return values

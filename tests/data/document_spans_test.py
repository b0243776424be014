"""Every token is a label once, and no piece crosses a document's border."""

import numpy as np
import pytest

from gpt_keras.data import document_spans as module
from gpt_keras.data.document_spans import document_spans
from gpt_keras.data.document_spans import read_span
from gpt_keras.data.token_store import TokenSplit

END = 0


def split_of(*documents, ends_in_document=False):
    ids = [token for document in documents for token in [*document, END]]
    ids = ids[:-1] if ends_in_document else ids
    return TokenSplit.from_array(ids, vocab_size=99, end_of_text_id=END)


def pieces(split, length):
    spans = document_spans(split, length)
    found = [
        read_span(split, start, count).tolist()
        for start, count in zip(spans.starts, spans.counts, strict=True)
    ]
    begins = [piece[0] == END for piece in found]
    # No separator is cut off from its document.
    np.testing.assert_array_equal(spans.is_first, begins)
    return found


def test_documents_stand_between_separators():
    split = split_of([1, 2, 3], [], [4], [5, 6, 7, 8, 9])
    assert pieces(split, 8) == [
        [0, 1, 2, 3, 0],
        [0, 0],
        [0, 4, 0],
        [0, 5, 6, 7, 8, 9, 0],
    ]
    assert pieces(split_of([1, 2], [3], ends_in_document=True), 8) == [
        [0, 1, 2, 0],
        [0, 3],
    ]


def test_a_long_document_is_cut_into_pieces():
    split = split_of([1], [2, 3, 4, 5, 6])
    assert pieces(split, 2) == [[0, 1, 0], [0, 2, 3], [3, 4, 5], [5, 6, 0]]
    assert document_spans(split, 2).num_cut == 1
    assert document_spans(split, 6).num_cut == 0


@pytest.mark.parametrize("length", [1, 3, 8, 100])
@pytest.mark.parametrize("ends_in_document", [False, True])
def test_every_token_is_a_label_once(length, ends_in_document, monkeypatch):
    monkeypatch.setattr(module, "_READ_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    documents = [rng.integers(1, 99, n) for n in rng.integers(0, 30, 40)]
    split = split_of(*documents, [5], ends_in_document=ends_in_document)
    found = pieces(split, length)
    labels = np.concatenate([piece[1:] for piece in found])
    whole = split.read([0], split.num_tokens)[0]
    np.testing.assert_array_equal(labels, whole)
    for piece in found:
        assert 1 < len(piece) <= length + 1 and END not in piece[1:-1]


def test_what_has_no_documents_is_refused():
    with pytest.raises(ValueError, match="end_of_text_id=None"):
        document_spans(TokenSplit.from_array([1, 2]), 8)
    with pytest.raises(ValueError, match="Received: 0 tokens"):
        document_spans(
            TokenSplit.from_array(
                np.zeros(0, int), vocab_size=9, end_of_text_id=0
            ),
            8,
        )
    with pytest.raises(ValueError, match="`length` must be positive"):
        document_spans(split_of([1]), 0)

"""The figures of a report are those of plain counting."""

import numpy as np
import pytest

from gpt_keras.data import store_report
from gpt_keras.data.splitting import SplitText
from gpt_keras.data.store_report import document_lengths
from gpt_keras.data.store_report import make_report
from gpt_keras.data.store_report import read_report
from gpt_keras.data.store_report import report_lines
from gpt_keras.data.store_report import update_report
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store_writing import write_token_store

SIZES = [5, 0, 17, 17, 100, 3, 8, 1, 40, 5]


@pytest.fixture
def store(tmp_path, byte_tokenizer):
    texts = [
        "é" + "x" * (size - 2) if size > 2 else "x" * size for size in SIZES
    ]
    goes_on = SplitText(lambda: iter([("abc", True), ("defg", False)]))
    return write_token_store(
        tmp_path / "store",
        {"train": texts, "validation": goes_on},
        tokenizer=byte_tokenizer,
        source={"kind": "test"},
    )


def test_figures_are_those_of_the_documents(store):
    report = make_report(store, length=16)
    train, validation = report["splits"].values()
    assert train["documents"] == len(SIZES)
    assert train["tokens"] == sum(SIZES) + len(SIZES)
    assert train["bytes_per_token"] == 1  # a byte is a token here
    found = train["tokens_per_document"]
    assert found["mean"] == pytest.approx(np.mean(SIZES))
    for q in (0.0, 0.1, 0.5, 0.9, 0.99, 1.0):
        expected = np.quantile(SIZES, q, method="inverted_cdf")
        assert found[str(q)] == expected
    rows = sum(-(-(size + 1) // 16) for size in SIZES)
    padding = 1 - (sum(SIZES) + len(SIZES)) / (16 * rows)
    assert train["padding_share"] == {
        "packed": 0.0,
        "a_document_a_row": pytest.approx(padding),
    }
    assert validation["documents"] == 2
    assert validation["tokens_per_document"]["mean"] == 3.5
    # 8 tokens, without the separator of a document that goes on: 7 labels.
    assert validation["padding_share"]["packed"] == pytest.approx(1 - 7 / 16)


@pytest.mark.parametrize("read_at_once", [1, 2, 7, 1000])
def test_documents_are_counted_across_readings(monkeypatch, read_at_once):
    monkeypatch.setattr(store_report, "_READ_AT_ONCE", read_at_once)
    rng = np.random.default_rng(0)
    for _ in range(20):
        ids = (rng.random(100) < 0.2).astype(int)
        split = TokenSplit.from_array(ids, vocab_size=2, end_of_text_id=1)
        text = "".join(map(str, ids)).split("1")
        expected = [len(part) for part in text]
        if not expected[-1]:
            expected.pop()  # nothing goes on
        found = sorted(document_lengths(split).elements())
        assert found == sorted(expected)


def test_a_report_keeps_its_pace(store):
    assert read_report(store) is None
    pace = {"tokens": 10, "seconds": 2.0, "tokens_per_second": 5.0}
    report = update_report(store, 16, pace)
    assert read_report(store) == report
    again = update_report(store, 8)
    assert again["preparing"] == pace
    assert again["window_length"] == 8
    lines = "\n".join(report_lines(again))
    for text in ("train: 10 documents, 206 tokens", "90%", "5 tokens/s"):
        assert text in lines

"""Batches of documents: one contract, one order, from any step on."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.data.document_batches import ARRANGEMENTS
from gpt_keras.data.document_batches import DocumentBatches
from gpt_keras.data.token_store import TokenSplit

END, LENGTH = 0, 16


def split_of(count=60):
    """Documents whose every token is another one."""
    sizes = np.random.default_rng(0).integers(1, 40, count)
    ids = np.arange(1, sizes.sum() + 1)
    ids = np.insert(ids, np.cumsum(sizes), END)
    return TokenSplit.from_array(ids, end_of_text_id=END)


SPLIT = split_of()


def documents(split=SPLIT, **settings):
    settings = {"length": LENGTH, "batch_size": 2, "num_buckets": 3} | settings
    return DocumentBatches(split, **settings)


def rows(dataset):
    return [[array.copy() for array in b] for b in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_batch_is_the_contract_triple(arrangement):
    dataset = documents(arrangement=arrangement).steps(0, 20)
    spec = dataset.element_spec
    assert [x.dtype for x in spec] == [tf.int32, tf.int32, tf.float32]
    assert dataset.cardinality() == 20
    widths = set()
    for token_ids, labels, weight in rows(dataset):
        assert token_ids.shape == labels.shape == weight.shape
        widths.add(token_ids.shape[1])
        is_token = weight == 1
        assert (is_token | (weight == 0)).all()
        assert (np.diff(weight, axis=1) <= 0).all()  # padding is on the right
        assert not token_ids[~is_token].any() and not labels[~is_token].any()
        inside = is_token[:, 1:]
        assert np.array_equal(token_ids[:, 1:][inside], labels[:, :-1][inside])
    assert len(widths) > 1 or spec[0].shape == (2, LENGTH)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("batch_size", [2, 32])
def test_an_epoch_has_every_token_as_label_once(batch_size, arrangement):
    batches = documents(batch_size=batch_size, arrangement=arrangement)
    labels = np.concatenate([y[w > 0] for _, y, w in rows(batches.epoch())])
    whole = SPLIT.read([0], SPLIT.num_tokens)[0]
    assert sorted(labels) == sorted(whole)
    assert len(rows(batches.epoch(1))) == 1


def test_documents_in_a_row_are_told_apart_by_the_separator():
    """A token's neighbours are those of the split, or the separator."""
    several = 0
    for token_ids, _, weight in rows(documents(arrangement="best_fit").epoch()):
        for ids, is_token in zip(token_ids, weight > 0, strict=True):
            ids = ids[is_token]
            several += (ids[1:] == END).any()
            steps = np.diff(ids)[(ids[1:] != END) & (ids[:-1] != END)]
            assert (steps == 1).all()
    assert several > 5


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_resumed_run_is_the_rest_of_the_undisturbed_one(arrangement):
    settings = {"seed": 1, "arrangement": arrangement}
    whole = rows(documents(**settings).steps(0, 60))
    for start in (1, 17, 50):
        rest = rows(documents(**settings).steps(start, 60 - start))
        assert len(rest) == 60 - start
        for one, other in zip(rest, whole[start:], strict=True):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_a_line_says_what_there_is(arrangement):
    batches = documents(arrangement=arrangement)
    text = batches.description()
    assert text.startswith("60 documents (39 of them cut) in ")
    assert f" {batches.plan.num_batches} batches an epoch of " in text
    assert "2×16; " in text and text.endswith("% padding")


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="start_step=-1"):
        documents().steps(-1, 2)
    with pytest.raises(ValueError, match="arrangement='packed'"):
        documents(arrangement="packed")
    with pytest.raises(ValueError, match="end_of_text_id"):
        documents(TokenSplit.from_array([1, 2, 3]))


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_the_parts_of_two_hosts_are_the_batch(arrangement):
    batches = documents(arrangement=arrangement, batch_size=4)
    whole = rows(batches.epoch(6))
    parts = []
    for host in range(2):
        context = tf.distribute.InputContext(2, host, 4)
        parts.append(rows(batches.epoch(6, context)))
        assert len(parts[host]) == 12  # two replicas each
    for step, batch in enumerate(whole):
        pieces = [part[2 * step + n] for part in parts for n in range(2)]
        for mine, expected in zip(
            zip(*pieces, strict=True), batch, strict=True
        ):
            np.testing.assert_array_equal(np.concatenate(mine), expected)

"""Tests of finding strings among sorted places, against `startswith`."""

import numpy as np
import pytest
import tensorflow as tf
from matching_testing import ALPHABET
from matching_testing import padded
from matching_testing import random_bytes

from gpt_keras.generation.byte_search import find_ranges
from gpt_keras.generation.byte_search import first_bytes
from gpt_keras.generation.byte_search import pack


def random_text(seed, alphabet):
    """Parts of all lengths, -1 behind each."""
    random = np.random.default_rng(seed)
    parts = [
        [*random.choice(alphabet, random.integers(0, 25)), -1]
        for _ in range(60)
    ]
    return np.concatenate(parts).astype(np.int32)


def behind(text, place):
    """The bytes from a place on, up to the part's end."""
    end = place + np.argmin(text[place:])
    return text[place:end].astype(np.uint8).tobytes()


def sorted_places(text):
    places = np.flatnonzero(text >= 0)
    return sorted(places.tolist(), key=lambda place: behind(text, place))


@pytest.mark.parametrize("alphabet", [b"\x00\xff", b"a", b"\x00ab\xe7\xff"])
@pytest.mark.parametrize("seed", range(2))
def test_ranges_hold_the_places_where_a_rest_stands(seed, alphabet):
    alphabet = np.frombuffer(alphabet, np.uint8)
    text = random_text(seed, alphabet)
    places = sorted_places(text)
    random = np.random.default_rng(seed)
    # Of all lengths: the numbers hold 7 bytes.
    strings = [
        behind(text, place)[:size]
        for place in places[::9]
        for size in (1, 6, 7, 8, 14, 15, 21, 25)
    ]
    strings += [random.choice(alphabet, 30).tobytes() for _ in range(9)]
    strings = [*filter(None, strings)]
    array = padded(strings)
    rests = np.argwhere(array >= 0)
    rests = rests[random.choice(len(rests), 500)].astype(np.int32)
    low, high = find_ranges(
        pack(tf.constant(text)),
        tf.constant(places),
        tf.constant(array),
        tf.constant(rests),
    )
    standing = [behind(text, place) for place in places]
    for row, (string, offset) in enumerate(rests):
        rest = strings[string][offset:]
        expected = [part.startswith(rest) for part in standing]
        found = np.zeros(len(places), bool)
        found[low[row] : high[row]] = True
        assert found.tolist() == expected


def test_a_rest_without_bytes_stands_nowhere():
    text = np.array([97, 97, -1], np.int32)
    low, high = find_ranges(
        pack(tf.constant(text)),
        tf.constant([1, 0]),
        tf.constant([[97, 97, -1], [97, -1, -1]]),
        tf.constant([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]),
    )
    assert (high - low).numpy().tolist() == [1, 2, 0, 2, 0, 0]


@pytest.mark.parametrize("place_count", [0, 1])
def test_there_may_be_no_places_and_no_rests(place_count):
    packed = pack(tf.constant([97, -1]))
    places = tf.zeros([place_count], tf.int32)
    for rest_count in (0, 2):
        rests = tf.zeros([rest_count, 2], tf.int32)
        low, high = find_ranges(packed, places, tf.constant([[97]]), rests)
        assert low.numpy().tolist() == [0] * rest_count
        assert high.numpy().tolist() == [place_count] * rest_count


def test_numbers_are_ordered_like_bytes():
    random = np.random.default_rng(0)
    strings = [random_bytes(random, 7) for _ in range(300)]
    strings += [bytes([255] * 7), bytes(7), bytes(1)]
    numbers = pack(tf.constant(padded(strings)))[:, 0].numpy().tolist()
    assert [n for n, _ in sorted(zip(numbers, strings, strict=True))] == [
        n for _, n in sorted(zip(strings, numbers, strict=True))
    ]


def test_the_first_byte_comes_out_again():
    text = random_text(0, ALPHABET)
    np.testing.assert_array_equal(first_bytes(pack(tf.constant(text))), text)

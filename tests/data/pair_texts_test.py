"""Tests of pairs as token ids."""

import numpy as np

from gpt_keras.data.pair_texts import PairText
from gpt_keras.data.pair_texts import encode_pairs
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.template import TEMPLATES

TEMPLATE = TEMPLATES["pair"]
TOKENIZER = CharacterTokenizer("abcdef", TEMPLATE.special_tokens)
(MARK,) = (TOKENIZER.special_tokens[x] for x in TEMPLATE.special_tokens)


def _pair(prompt, response, max_tokens=20):
    filled = TEMPLATE.fill({"prompt": prompt})
    return PairText(TEMPLATE, filled, response, max_tokens)


def _encoded(*pairs):
    return encode_pairs(TOKENIZER, TOKENIZER.special_tokens, pairs)


def _ids(text):
    return TOKENIZER.encode_batch([text])[0].tolist()


def test_prompt_mark_and_response_follow_each_other():
    (ids,) = _encoded(_pair("abc", "de"))
    assert ids.tolist() == [*_ids("abc"), MARK, *_ids("de")]


def test_texts_are_those_without_special_tokens():
    assert _pair("abc", "de").texts == ["abc", "de"]


def test_the_prompt_is_cut_so_that_the_end_fits_too():
    # One of the five is `<|endoftext|>`, which stands in the store between.
    (ids,) = _encoded(_pair("abcdef", "f", max_tokens=5))
    assert ids.tolist() == [*_ids("ab"), MARK, *_ids("f")]


def test_what_does_not_fit_is_none_and_its_neighbours_stay():
    first, none, last = _encoded(
        _pair("a", "b"), _pair("a", "bcdef", max_tokens=4), _pair("c", "d")
    )
    assert none is None
    np.testing.assert_array_equal(first, [*_ids("a"), MARK, *_ids("b")])
    np.testing.assert_array_equal(last, [*_ids("c"), MARK, *_ids("d")])

"""Labels and weights of conversations, cut from their ids alone."""

import numpy as np
import pytest

from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.template import TEMPLATES

TOKENIZER = CharacterTokenizer(
    "abcdefgh", ("<|user|>", "<|response|>", "<|context|>", "<|question|>")
)
END = TOKENIZER.end_of_text_id


def _found(template, fields, response):
    ids = TEMPLATES[template].encode(TOKENIZER, fields)
    ids = np.array([*ids, *TOKENIZER.encode(response), END], np.int32)
    labels, weights = ResponseLoss.of(TOKENIZER)(ids)
    assert labels.dtype == np.int32 and weights.dtype == np.float32
    assert set(weights.tolist()) <= {0.0, 1.0}
    changed = labels != ids[1:]
    assert (labels[changed] == END).all()
    return [int(x) if w else None for x, w in zip(labels, weights, strict=True)]


def test_every_message_of_the_model_is_learned_with_its_end():
    found = _found("chat", {"messages": ["ab", "cde", "f"]}, "gh")
    ids = TOKENIZER.encode("cde")
    more = TOKENIZER.encode("gh")
    # <|endoftext|> <|user|> a b <|response|> c d e <|user|> f <|response|> g h
    wanted = [None] * 4 + [*ids, END] + [None] * 2 + [*more, END]
    assert found == wanted


def test_a_response_may_be_empty():
    found = _found("answer", {"context": "ab", "question": "c"}, "")
    assert found == [None] * 6 + [END]


def test_without_a_mark_nothing_is_learned():
    assert _found("write", {"prompt": "ab"}, "cd") == [None] * 5


def test_a_tokenizer_must_have_the_mark():
    with pytest.raises(ValueError, match="one without <|response|>"):
        ResponseLoss.of(CharacterTokenizer("ab"))

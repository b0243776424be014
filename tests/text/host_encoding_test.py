"""An encoder that is made from `tokenizer.json` gives the tokenizer's ids."""

import numpy as np
import pytest

from gpt_keras.text import tokenizer_file
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.host_encoding import KINDS
from gpt_keras.text.host_encoding import make_encoder
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXTS = ["", "don't  stop\n\n", "漢字 é \U0001f600", "<|endoftext|>"]


@pytest.mark.parametrize(
    "tokenizer",
    [
        train_byte_pair(TEXTS * 3, 262, ["<x>"]),
        CharacterTokenizer("stop d\n漢", ["<x>"]),
    ],
    ids=KINDS,
)
def test_ids_are_the_tokenizers(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    encoder = make_encoder(tokenizer_file.read(tmp_path))
    found = encoder.encode_batch(TEXTS)
    for ids, text in zip(found, TEXTS, strict=True):
        assert ids.dtype == np.int32
        assert ids.tolist() == tokenizer.encode(text)

"""Texts and vocabularies for the tests of tokenizers."""

import os
import pathlib
import pydoc_data.topics
import random

from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.tokenizer_training import train_byte_pair

DATA = os.environ.get("GPT_KERAS_DATA")
PARTS = ["'s", "'t", "'re", "'VE", "'ll", "'d", "’s", " 's", " ", "  ", "\n"]
PARTS += ["\r\n", "\t", "\xa0", "\x85", "\u2028", "\u3000", "\x1c", "\x1d"]
PARTS += ["\x1e", "\x1f", "\0", "\x7f", "\x9f", "👩\u200d👧", "👍🏽", "e\u0301"]
PARTS += ["\u0300", "漢字", "한국어", "العربية", "١٢٣", "Ⅷ", "½", "㉈", "1234"]
PARTS += ["ĴA", END_OF_TEXT, "<|user|>", "Hello", " world", "!!", "a", "ß"]
PARTS += ["\ufeff", "\ufffd", "\uffff", "\u0378", "\U0010ffff", "\u200b"]


def english() -> str:
    return "\n".join(pydoc_data.topics.topics.values())[:100_000]


def gpt2_files(folder: pathlib.Path) -> tuple[str, str]:
    """GPT-2's own files, or small ones of the same form."""
    if DATA:
        gpt2 = pathlib.Path(DATA, "gpt2-bpe")
        return str(gpt2 / "encoder.json"), str(gpt2 / "vocab.bpe")
    train_byte_pair([english()], 1000).save_gpt2_files(folder)
    return str(folder / "vocab.json"), str(folder / "merges.txt")


def fuzzed_texts(count: int) -> list[str]:
    rng = random.Random(count)

    def part():
        if rng.random() < 0.6:
            return rng.choice(PARTS) * rng.choice([1, 1, 1, 2, 3])
        last = rng.choice([0x7F, 0x2FFF, 0xD7FF, 0x3FFFF, 0x10FFFF])
        point = rng.randrange(last + 1)
        return chr(point) if not 0xD800 <= point < 0xE000 else "?"

    return [
        "".join(part() for _ in range(rng.randrange(15))) for _ in range(count)
    ]

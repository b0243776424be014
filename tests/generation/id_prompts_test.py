"""Tests of `gpt_keras.generation.id_prompts`."""

from gpt_keras.generation.id_prompts import IdPrompts
from gpt_keras.generation.id_prompts import id_prompt
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer("abcdef ")


def test_ids_are_read_as_they_are():
    ids = IdPrompts(TOKENIZER).tokenize([id_prompt([3, 0, 10]), id_prompt([])])
    assert ids.to_list() == [[3, 0, 10], []]
    assert ids.dtype.name == "int32"


def test_the_ids_of_texts_give_what_the_texts_give():
    texts = ["ab", "fed cab", ""]
    prompts = [id_prompt(ids) for ids in TOKENIZER.encode_batch(texts)]
    found = IdPrompts(TOKENIZER).tokenize(prompts)
    expected = TOKENIZER.tokenize(texts)
    assert found.to_list() == expected.to_list()
    assert found.dtype == expected.dtype
    assert found.row_splits.dtype == expected.row_splits.dtype


def test_all_else_is_the_tokenizers():
    prompts = IdPrompts(TOKENIZER)
    assert prompts.vocab_size == TOKENIZER.vocab_size
    assert prompts.detokenize([[1, 2]], [2]) == TOKENIZER.detokenize(
        [[1, 2]], [2]
    )

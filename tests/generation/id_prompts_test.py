"""Tests of `gpt_keras.generation.id_prompts`."""

import keras
import numpy as np

from gpt_keras import GPTModel
from gpt_keras.generation.id_prompts import IdPrompts
from gpt_keras.generation.id_prompts import id_prompt
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer("abcdef ")


def test_ids_are_read_as_they_are():
    ids = IdPrompts(TOKENIZER).tokenize([id_prompt([3, 0, 10]), id_prompt([])])
    assert ids.to_list() == [[3, 0, 10], []]
    assert ids.dtype.name == "int32"
    assert IdPrompts(TOKENIZER).vocab_size == TOKENIZER.vocab_size


def test_the_ids_of_a_text_are_completed_as_the_text_is():
    keras.utils.set_random_seed(0)
    model = GPTModel(
        TOKENIZER.vocab_size, 16, 2, 32, 24, num_layers=1, rate=0.0
    )
    model.build((None, None))
    for weight in model.trainable_variables:
        noise = np.random.default_rng(1).normal(0, 0.4, weight.shape)
        weight.assign_add(noise.astype("float32"))
    texts = ["ab", "fed cab"]
    settings = {"temperature": 0.0, "max_new_tokens": 6}
    expected = TextGenerator(model, TOKENIZER).generate(texts, **settings)
    prompts = [id_prompt(ids) for ids in TOKENIZER.encode_batch(texts)]
    found = TextGenerator(model, IdPrompts(TOKENIZER)).generate(
        prompts, **settings
    )
    assert [x.token_ids for x in found] == [x.token_ids for x in expected]
    assert [x.text for x in found] == [x.text for x in expected]
    assert any(x.text for x in found)

"""Recipes of tasks name templates, and pairs that fit."""

import dataclasses

import pytest

from gpt_keras.cli.pair_data import learns_responses
from gpt_keras.cli.pair_data import pair_source
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.pairs import split_pairs
from gpt_keras.recipes import RECIPES
from gpt_keras.task_recipes import TASK_RECIPES
from gpt_keras.text.character_tokenizer import CharacterTokenizer

SYNTHETIC = [name for name, recipe in TASK_RECIPES.items() if recipe.pairs]


def test_every_use_has_a_recipe():
    uses = {"translate", "answer", "summarise", "chat", "write"}
    assert uses <= TASK_RECIPES.keys() <= RECIPES.keys()
    assert len(SYNTHETIC) == 4


@pytest.mark.parametrize("name", TASK_RECIPES)
def test_a_recipe_takes_files_or_a_dataset(name):
    recipe = TASK_RECIPES[name]
    if not recipe.template:
        assert not recipe.pairs
        return
    files = dataclasses.replace(recipe, pairs=recipe.pairs or "a.jsonl")
    source = pair_source(files)
    names = source.settings["templates"]
    assert names == [recipe.template]
    assert learns_responses(files, names) == (recipe.template != "write")
    if not recipe.pairs:
        dataset = dataclasses.replace(recipe, tfds="some/name")
        assert pair_source(dataset).description["name"] == "some/name"


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_pairs_fit_whole(name):
    source = pair_source(TASK_RECIPES[name])
    tokenizer = CharacterTokenizer("ab", source.special_tokens)
    examples = [*split_pairs(source, PairSplit())["validation"].examples()]
    for example in examples[:300]:
        ids = example.template.encode(tokenizer, example.fields)
        assert len(ids) + len(example.response) <= TASK_RECIPES[name].max_length

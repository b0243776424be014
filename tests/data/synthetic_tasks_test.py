"""Pairs of tasks with one right answer, drawn from a seed."""

import pytest

from gpt_keras.data.pairs import PairSource
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.pairs import split_pairs
from gpt_keras.data.synthetic_tasks import TASKS
from gpt_keras.data.synthetic_tasks import SyntheticPairs
from gpt_keras.text.template import find_template

# By other means than those that made them.
ANSWERS = {
    "copy": lambda x: x["prompt"],
    "reverse": lambda x: "".join(reversed(x["prompt"])),
    "look_up": lambda x: next(
        entry for entry in x["context"].split() if entry[0] == x["question"]
    ),
    "first_sentence": lambda x: x["document"][: x["document"].index(".") + 1],
}
TEMPLATES = {
    "copy": "pair",
    "reverse": "pair",
    "look_up": "answer",
    "first_sentence": "summarise",
}


@pytest.mark.parametrize("name", TASKS)
def test_the_answer_is_right_and_held_out_prompts_are_new(name):
    pairs = SyntheticPairs(name, count=2000)
    template = find_template(TEMPLATES[name])
    source = PairSource(pairs, (template,), 128)
    splits = split_pairs(source, PairSplit(count=200))
    prompts = []
    for split in splits.values():
        examples = list(split.examples())
        for example in examples:
            assert example.response == ANSWERS[name](example.fields)
        prompts.append({str(x.fields) for x in examples})
    assert not prompts[0] & prompts[1]
    assert len(prompts[1]) > 150
    assert len({x.response for x in examples}) > 20


def test_a_seed_gives_the_same_pairs():
    first, same, other = (
        [x.values for x in SyntheticPairs("copy", 50, seed).records()]
        for seed in (3, 3, 4)
    )
    assert first == same
    assert first != other


def test_unknown_tasks_are_told():
    with pytest.raises(ValueError, match="one of copy, reverse, look_up, fir"):
        SyntheticPairs("sort")
    with pytest.raises(ValueError, match="a positive count"):
        SyntheticPairs("copy", 0)

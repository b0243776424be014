"""The separator is always among the special tokens; bad names are refused."""

import pytest

from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.special_tokens import with_end_of_text


def test_the_separator_comes_first_unless_it_has_a_place():
    assert with_end_of_text(()) == [END_OF_TEXT]
    assert with_end_of_text(("<|a|>",)) == [END_OF_TEXT, "<|a|>"]
    assert with_end_of_text(["<|a|>", END_OF_TEXT]) == ["<|a|>", END_OF_TEXT]


@pytest.mark.parametrize("names", ["<|a|>", [""], [5], ["a", "a"], ["\ud800"]])
def test_bad_names_are_refused(names):
    with pytest.raises(ValueError, match="Received"):
        with_end_of_text(names)

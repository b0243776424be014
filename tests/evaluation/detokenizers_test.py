"""Tests of the detokenizers by examples, and of what they keep."""

import re

import pytest

from gpt_keras.evaluation.detokenizers import detokenize

WIKITEXT = [
    (" \n = Title = \n \n", "\n= Title =\n\n"),
    (" = = Early life = = \n", "== Early life ==\n"),
    ("of 1 @,@ 000 @.@ 5 red @-@ tipped", "of 1,000.5 red-tipped"),
    ("a , b . c ; d : e ! f ?", "a, b. c; d: e! f?"),
    ("60 cm ( 24 in ) or 5 % [ sic ]", "60 cm (24 in) or 5% [sic]"),
    ('the " crusher " , and " it "', 'the "crusher", and "it"'),
    ('an odd " mark', 'an odd " mark'),
    ("it 's he 'll we 've isn 't don 't", "it's he'll we've isn't don't"),
    ("5 – 6 kilograms – or so", "5–6 kilograms – or so"),
    ("US $ 5 and / or in the ' 70s", "US $5 and/or in the '70s"),
]
PTB = [
    (
        " no it was n't black monday \n but <unk> 's rose \n",
        "no it wasn't black monday\nbut <unk>'s rose\n",
    ),
    ("for $ N or N % of a \\/ b", "for $N or N% of a / b"),
]


@pytest.mark.parametrize(("text", "expected"), WIKITEXT)
def test_wikitext(text, expected):
    assert detokenize(text, "wikitext") == expected


@pytest.mark.parametrize(("text", "expected"), PTB)
def test_ptb(text, expected):
    assert detokenize(text, "ptb") == expected


def test_none_changes_nothing():
    text = " a @-@ b \r\n\t. "
    assert detokenize(text, "none") == text


@pytest.mark.parametrize("name", ["wikitext", "ptb"])
def test_nothing_but_spaces_and_marks_is_taken_away(name):
    text = "".join(text for text, _ in WIKITEXT + PTB) * 2

    def kept(text):
        return re.sub(r"[ @\\]", "", text)

    assert kept(detokenize(text, name)) == kept(text)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError) as raised:
        detokenize("a", "moses")
    assert str(raised.value) == (
        "`detokenizer` must be one of ['none', 'ptb', 'wikitext']. Received: "
        "detokenizer='moses'"
    )

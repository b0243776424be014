"""Tests of `gpt_keras.inspection.report`."""

import json

import pytest

from gpt_keras.inspection.places import Place
from gpt_keras.inspection.report import as_json
from gpt_keras.inspection.report import as_text
from gpt_keras.inspection.token_labels import TokenLabels
from gpt_keras.text.character_tokenizer import CharacterTokenizer

PLACES = [
    Place(2),
    Place(0, 1.25, 1024, 0.5, ((2, 0.75), (0, 0.25))),
    Place(None, None, None, 0.25, ((1, 0.875), (5, 0.125))),
]


@pytest.fixture
def labels():
    return TokenLabels(CharacterTokenizer("a 猫"))  # ids: space, a, 猫


def test_the_table(labels):
    assert as_text(PLACES, labels) == (
        "place  token   loss   rank  entropy  likeliest\n"
        "    0  猫\n"
        "    1  ␣      1.250  1,024    0.500  猫 75.0%  ␣ 25.0%\n"
        "    2                         0.250  a 87.5%  <5> 12.5%\n"
        "\n"
        "Losses: 1, mean 1.250 nats per token, perplexity 3.49\n"
    )


def test_a_token_alone_has_no_mean(labels):
    text = as_text([PLACES[0], PLACES[2]], labels)
    assert text.endswith("\n\nOne token alone has no loss.\n")
    assert as_json([PLACES[0], PLACES[2]], labels)["mean_loss"] is None


def test_json_has_every_figure_in_full(labels):
    content = as_json(PLACES, labels)
    assert json.loads(json.dumps(content)) == content
    assert content["unit"] == "nats" and content["mean_loss"] == 1.25
    assert content["places"][1] == {
        "place": 1,
        "token_id": 0,
        "token": "␣",
        "loss": 1.25,
        "rank": 1024,
        "entropy": 0.5,
        "top": [
            {"token_id": 2, "token": "猫", "probability": 0.75},
            {"token_id": 0, "token": "␣", "probability": 0.25},
        ],
    }
    assert content["places"][2]["token"] is None

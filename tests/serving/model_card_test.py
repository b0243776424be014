"""Tests of the model card."""

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import MAX_STRING_BYTES
from gpt_keras.generation.settings import MAX_STRINGS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.watermark import Watermark
from gpt_keras.model import GPTModel
from gpt_keras.serving.model_card import CARD_JSON
from gpt_keras.serving.model_card import CARD_TEXT
from gpt_keras.serving.model_card import CONTRACT
from gpt_keras.serving.model_card import INTENDED_USE
from gpt_keras.serving.model_card import LIMITATIONS
from gpt_keras.serving.model_card import About
from gpt_keras.serving.model_card import model_card
from gpt_keras.serving.model_card import write_model_card
from gpt_keras.text.character_tokenizer import CharacterTokenizer

POLICY = Policy(
    max_prompt_bytes=5000,
    max_beams=3,
    banned=("topsecret", "hushhush"),
    repetition_guard=7,
    prompt_lookup=4,
    redact=("email", "phone"),
    refuse=("verboten",),
    refusal_text="No comment.",
    watermark=Watermark(key=1234567890123),
)
ABOUT = About(
    "gpt",
    dtype="bfloat16",
    quantization="int8",
    loss={
        "reference_loss": np.float32(2.5),
        "loss": 2.75,
        "difference": float("nan"),
    },
    training={"figures": {"loss": float("inf"), "last_step": np.int64(3)}},
    notes="Für Gedichte. \udcff",
)


@pytest.fixture(scope="module")
def tokenizer():
    return CharacterTokenizer("abcdefgh")


@pytest.fixture(scope="module")
def model(tokenizer):
    model = GPTModel(
        tokenizer.vocab_size, 16, 2, 32, 24, num_layers=1, dtype="bfloat16"
    )
    model(np.zeros((1, 1), np.int32))
    return model


@pytest.fixture(scope="module")
def functions():
    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "prompts")],
        autograph=False,
    )
    def complete(prompts):
        return {"completions": prompts + "!"}

    return {"serving_default": complete.get_concrete_function()}


@pytest.fixture
def make(model, tokenizer, functions):
    def make(policy=NO_POLICY, about=ABOUT, **settings):
        return model_card(model, tokenizer, functions, settings, policy, about)

    return make


def test_what_model_and_tokenizer_are(make, model, tokenizer):
    card = make()
    assert card["contract"] == CONTRACT == 2
    assert card["name"] == "gpt"
    assert card["model"]["parameters"] == model.count_params()
    configuration = card["model"]["configuration"]
    rebuilt = GPTModel.from_config(configuration)
    assert rebuilt.get_config() == model.get_config()
    assert configuration["dtype"] == "bfloat16"
    assert card["tokenizer"] == {
        "kind": "character",
        "vocab_size": tokenizer.vocab_size,
        "end_of_text_id": tokenizer.end_of_text_id,
        "special_tokens": tokenizer.special_tokens,
        "fingerprint": tokenizer.fingerprint,
    }
    assert card["software"]["tensorflow"] == tf.__version__
    assert list(card["signatures"]) == ["serving_default"]
    assert card["intended_use"] == INTENDED_USE
    assert card["limitations"] == LIMITATIONS


def test_the_date_is_now_in_utc(make):
    date = datetime.fromisoformat(make()["date"])
    assert date.utcoffset() == timedelta(0)
    assert timedelta(0) <= datetime.now(UTC) - date < timedelta(minutes=5)


def test_defaults_are_those_of_the_settings(make):
    defaults = make()["defaults"]
    expected = {name: setting.default for name, setting in SETTINGS.items()}
    assert defaults == expected | {"stop": [], "banned": 0}
    settings = dict(temperature=0.8, top_k=7, seed=-1, overflow="roll")
    assert make(**settings)["defaults"] == defaults | settings
    assert make(stop=["\n\n", "b"])["defaults"]["stop"] == ["\n\n", "b"]
    with pytest.raises(ValueError, match="temperature"):
        make(temperature=-1)


def test_limits_and_policy(make):
    card = make(POLICY)
    assert card["limits"] == {
        "max_length": 24,
        "max_prompt_bytes": 5000,
        "max_new_tokens": None,
        "max_beams": 3,
        "max_strings": MAX_STRINGS,
        "max_string_bytes": MAX_STRING_BYTES,
    }
    assert card["policy"] == {
        "banned": 2,
        "redact": ["email", "phone"],
        "repetition_guard": 7,
        "refuse": 1,
        "refusal_text": "No comment.",
        "watermark": True,
        "prompt_lookup": 4,
    }
    assert make(NO_POLICY)["policy"] == {
        "banned": 0,
        "redact": [],
        "repetition_guard": 0,
        "refuse": 0,
        "refusal_text": None,
        "watermark": False,
        "prompt_lookup": 0,
    }


def test_no_secret_is_in_the_files(make, tmp_path):
    card = make(POLICY, banned=["unspeakable", "untold"])
    assert card["defaults"]["banned"] == 2
    write_model_card(tmp_path, card)
    secrets = [*POLICY.banned, *POLICY.refuse, str(POLICY.watermark.key)]
    for name in (CARD_JSON, CARD_TEXT):
        text = (tmp_path / name).read_text("utf-8").replace(",", "")
        assert "No comment" in text
        for secret in (*secrets, "unspeakable", "untold"):
            assert secret not in text


def test_both_files_hold_the_card(make, tmp_path):
    card = make(POLICY, top_k=40)
    write_model_card(str(tmp_path), card)

    def refuse(constant):
        raise ValueError(constant)

    text = (tmp_path / CARD_JSON).read_text("utf-8")
    read = json.loads(text, parse_constant=refuse)
    assert read.pop("notes") == "Für Gedichte. ?"
    del card["notes"]
    assert read == card
    assert read["weights"] == {
        "dtype": "bfloat16",
        "quantization": "int8",
        "loss": {"reference_loss": 2.5, "loss": 2.75, "difference": None},
    }
    assert read["training"]["figures"] == {"loss": None, "last_step": 3}
    text = (tmp_path / CARD_TEXT).read_text("utf-8")
    assert text.startswith("# Model card: gpt\n")
    assert "Für Gedichte. ?" in text and "| `top_k` | 40 |" in text


def test_a_card_that_json_cannot_hold_is_refused(make, tmp_path):
    with pytest.raises(ValueError):
        write_model_card(tmp_path, make() | {"training": float("nan")})
    assert list(tmp_path.iterdir()) == []

"""Tests of the description of signatures."""

import pytest
import tensorflow as tf

from gpt_keras.generation.decoding_state import FINISH_REASONS
from gpt_keras.generation.settings import OVERFLOWS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.serving.signature_table import MEANINGS
from gpt_keras.serving.signature_table import signature_table

SIGNATURES = {
    "serving_default": "prompts → completions",
    "complete": "prompts max_new_tokens temperature seed → completions",
    "generate": f"prompts {' '.join(SETTINGS)} steps continuation → "
    "completions completions_bytes token_ids lengths logprobs top_token_ids "
    "top_logprobs finish_reason prompt_truncated seed_used error continuation",
    "beam": "prompts max_new_tokens num_beams length_penalty → hypotheses "
    "hypotheses_bytes hypothesis_ids hypothesis_lengths scores total_logprobs "
    "finish_reasons num_hypotheses prompt_truncated error",
    "step": "state_bytes steps → completions error state_bytes",
    "score": "prompts texts → token_ids lengths logprobs total_logprob "
    "bits_per_byte error",
    "logits": "token_ids lengths → logits error",
    "tokenize": "texts → token_ids lengths error",
    "detokenize": "token_ids lengths → texts texts_bytes error",
}


def function_of(inputs, outputs):
    """Returns a concrete function of these names, all of them strings."""
    specs = [tf.TensorSpec([None], tf.string, name) for name in inputs]
    return tf.function(
        lambda *tensors: {name: tf.identity(tensors[0]) for name in outputs},
        autograph=False,
    ).get_concrete_function(*specs)


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_input_and_output_is_described_in_order(name):
    inputs, outputs = (x.split() for x in SIGNATURES[name].split("→"))
    table = signature_table({name: function_of(inputs, outputs)})
    assert [x["name"] for x in table[name]["inputs"]] == inputs
    assert [x["name"] for x in table[name]["outputs"]] == outputs
    for entry in (*table[name]["inputs"], *table[name]["outputs"]):
        assert entry == {
            "name": entry["name"],
            "dtype": "string",
            "shape": [None],
            "meaning": MEANINGS[entry["name"]],
        }


def test_types_and_shapes():
    spec = tf.TensorSpec([None, None], tf.int32, "token_ids")

    @tf.function(input_signature=[spec], autograph=False)
    def function(token_ids):
        shape = tf.shape(token_ids)
        return {
            "logits": tf.zeros([shape[0], shape[1], 7]),
            "error": tf.zeros(tf.concat([shape, shape], 0)[: shape[0]]),
        }

    table = signature_table({"logits": function.get_concrete_function()})
    (token_ids,) = table["logits"]["inputs"]
    assert (token_ids["dtype"], token_ids["shape"]) == ("int32", [None, None])
    logits, error = table["logits"]["outputs"]
    assert (logits["dtype"], logits["shape"]) == ("float32", [None, None, 7])
    assert error["shape"] is None


def test_a_name_without_a_meaning_is_an_error():
    for inputs, outputs in (
        (["images"], ["completions"]),
        (["prompts"], ["images"]),
    ):
        with pytest.raises(ValueError, match="Received: 'images'"):
            signature_table({"new": function_of(inputs, outputs)})


def test_meanings_are_single_sentences_that_name_every_choice():
    for name, meaning in MEANINGS.items():
        assert meaning[0].isupper() and meaning.endswith("."), name
        assert meaning.count(". ") == 0 and "|" not in meaning, name
    assert set(SETTINGS) <= MEANINGS.keys()
    for reason in filter(None, FINISH_REASONS):
        assert f"`{reason}`" in MEANINGS["finish_reason"]
    for overflow in OVERFLOWS:
        assert f"`{overflow}`" in MEANINGS["overflow"]

"""Tests of the signature that searches by beams."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.beam_settings import MAX_BEAMS
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.serving.beam_signature import with_max_beams
from gpt_keras.serving.precision import with_precision
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.character_tokenizer import CharacterTokenizer

DEFAULTS = dict(
    # The first has no say: the request's has.
    max_new_tokens=3,
    temperature=0.7,
    overflow="roll",
    repetition_penalty=1.2,
    stop=["dad", "猫"],
)
RULES = dict(repetition_penalty=1.2, stop=["dad", "猫"])
TOKENIZER = CharacterTokenizer("abcdefg 猫")
PROMPTS = ["bad cab", "", "猫 egg", "face " * 9, "dead"]
ASKED = dict(
    max_new_tokens=[9, 12, 0, 5, 20],
    num_beams=[3, 1, 2, 4, 2],
    length_penalty=[0.6, 1.0, 0.6, 0.0, -1.0],
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = GPTModel(
        TOKENIZER.vocab_size + 7,  # padded
        16,
        2,
        32,
        max_length=32,
        num_layers=1,
        initializer_stddev=0.5,
        document_separator_id=TOKENIZER.end_of_text_id,
    )
    model(np.zeros((1, 1), np.int32))
    return model


def signature_of(model, policy):
    made = make_signatures(model, TOKENIZER, policy, names=["beam"], **DEFAULTS)
    return made["beam"]


def call(function, specs, prompts=PROMPTS, **asked):
    inputs = {"prompts": prompts, **ASKED, **asked}
    tensors = [tf.constant(inputs[spec.name], spec.dtype) for spec in specs]
    return {name: x.numpy() for name, x in function(*tensors).items()}


@pytest.fixture(scope="module")
def graph(model):
    """Of at most 4 beams, of a model in bfloat16 and int8."""
    served = with_precision(model, "bfloat16", "int8")
    policy = Policy(max_beams=4, max_new_tokens=20, max_prompt_bytes=50)
    signature = signature_of(served, policy)
    function = signature.trace()

    def run(*arguments, **asked):
        return call(function, signature.inputs, *arguments, **asked)

    run.signature, run.function, run.served = signature, function, served
    return run


def test_inputs_and_outputs_have_their_names_types_and_shapes(graph):
    assert [x.name for x in graph.signature.inputs] == ["prompts", *ASKED]
    outputs = graph.function.structured_outputs
    found = {
        name: (tensor.dtype.name, tensor.shape.as_list())
        for name, tensor in outputs.items()
    }
    assert found == {
        "hypotheses": ("string", [None, 4]),
        "hypotheses_bytes": ("string", [None, 4]),
        "hypothesis_ids": ("int32", [None, 4, None]),
        "hypothesis_lengths": ("int32", [None, 4]),
        "scores": ("float32", [None, 4]),
        "total_logprobs": ("float32", [None, 4]),
        "finish_reasons": ("string", [None, 4]),
        "num_hypotheses": ("int32", [None]),
        "prompt_truncated": ("bool", [None]),
        "error": ("string", [None]),
    }


def test_what_it_finds_is_what_python_finds(graph):
    made = graph()
    generator = TextGenerator(graph.served, TOKENIZER)
    tf.config.run_functions_eagerly(True)
    try:
        expected = generator.beam_search(
            PROMPTS,
            beams=ASKED["num_beams"],
            length_penalty=ASKED["length_penalty"],
            max_new_tokens=ASKED["max_new_tokens"],
            **RULES,
        )
    finally:
        tf.config.run_functions_eagerly(False)
    for row, result in enumerate(expected):
        (best,) = result.hypotheses
        assert made["hypotheses"][row, 0].decode() == best.text
        length = made["hypothesis_lengths"][row, 0]
        ids = made["hypothesis_ids"][row, 0, :length]
        assert tuple(ids.tolist()) == best.token_ids
        assert made["finish_reasons"][row, 0].decode() == best.finish_reason
        assert made["scores"][row, 0] == pytest.approx(best.score, abs=1e-5)
        assert made["total_logprobs"][row, 0] == pytest.approx(
            best.total_logprob, abs=1e-5
        )
    assert not any(made["error"])
    assert made["num_hypotheses"].tolist() == [3, 1, 1, 4, 2]
    assert made["prompt_truncated"].tolist() == [0, 0, 0, 1, 0]
    is_found = made["scores"] != 0
    is_found[2, 0] = True  # nothing was asked for
    counts = made["num_hypotheses"][:, None]
    assert (is_found == (np.arange(4) < counts)).all()
    texts = made["hypotheses"]
    assert (texts == made["hypotheses_bytes"]).all()
    assert not any(b"dad" in text for text in texts.ravel())


def test_an_empty_batch_gets_an_empty_answer(graph):
    made = graph(
        np.zeros([0], object), **{name: np.zeros([0]) for name in ASKED}
    )
    assert {len(value) for value in made.values()} == {0}
    assert made["scores"].shape == (0, 4)


def test_strangers_and_a_wider_limit_change_nothing(model):
    """Float32, as the numbers of batches differ in the last bits."""
    signature = signature_of(model, Policy(max_beams=6))
    function = signature.trace()
    wide = call(function, signature.inputs)
    assert wide["scores"].shape == (5, 6)
    narrow = signature_of(model, Policy(max_beams=4))

    def eagerly(*tensors):
        names = [spec.name for spec in narrow.inputs]
        return narrow.function(**dict(zip(names, tensors, strict=True)))

    for name, value in call(eagerly, narrow.inputs).items():
        other = wide[name]
        if value.ndim > 1:
            padding = TOKENIZER.end_of_text_id if "_ids" in name else 0
            rest = other[:, 4:].ravel().tolist()
            assert {x or 0 for x in rest} == {padding}
            other = other[:, :4]
        if value.dtype == np.float32:
            np.testing.assert_allclose(other, value, atol=1e-5)
        else:
            assert other.tolist() == value.tolist()
    strangers = call(
        function,
        signature.inputs,
        [*PROMPTS[::-1], "x" * 99, "猫猫", "a"],
        max_new_tokens=[*ASKED["max_new_tokens"][::-1], 5, 40, 9],
        num_beams=[*ASKED["num_beams"][::-1], 2, 6, 7],
        length_penalty=[*ASKED["length_penalty"][::-1], 99, 3, 0],
    )
    errors = strangers["error"].tolist()
    assert not any(errors[:5]) and not errors[6]
    assert b"`length_penalty`" in errors[5] and b"from 1 to 6" in errors[7]
    for row in range(5):
        for name, value in wide.items():
            found = strangers[name][4 - row]
            if name == "hypothesis_ids":
                width = value.shape[2]
                found = found[:, :width]
            if value.dtype == np.float32:
                np.testing.assert_allclose(found, value[row], atol=1e-5)
            else:
                assert np.array_equal(found, value[row]), name


def test_without_a_limit_there_is_one():
    assert with_max_beams(NO_POLICY).max_beams == MAX_BEAMS
    assert with_max_beams(Policy(max_beams=2)) == Policy(max_beams=2)

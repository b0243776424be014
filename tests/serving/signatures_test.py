"""Tests of the signatures as graphs: every row is judged for itself."""

import numpy as np
import pytest
import tensorflow as tf
from sampling_testing import random_numbers

from gpt_keras.generation.policy import Policy
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop"
DEFAULTS = dict(max_new_tokens=12, temperature=1.3, top_k=200, seed=4)
INPUTS = {
    "serving_default": ["prompts"],
    "complete": ["prompts", "max_new_tokens", "temperature", "seed"],
    "generate": ["prompts", *SETTINGS, "steps", "continuation"],
    "score": ["prompts", "texts"],
    "logits": ["token_ids", "lengths"],
    "tokenize": ["texts"],
    "detokenize": ["token_ids", "lengths"],
}
OUTPUTS = {
    "serving_default": {"completions": "string"},
    "complete": {"completions": "string"},
    "generate": {
        "completions": "string",
        "completions_bytes": "string",
        "token_ids": "int32",
        "lengths": "int32",
        "logprobs": "float32",
        "top_token_ids": "int32",
        "top_logprobs": "float32",
        "finish_reason": "string",
        "prompt_truncated": "bool",
        "seed_used": "int64",
        "error": "string",
        "continuation": "string",
    },
    "score": {
        "token_ids": "int32",
        "lengths": "int32",
        "logprobs": "float32",
        "total_logprob": "float32",
        "bits_per_byte": "float32",
        "error": "string",
    },
    "logits": {"logits": "float32", "error": "string"},
    "tokenize": {"token_ids": "int32", "lengths": "int32", "error": "string"},
    "detokenize": {
        "texts": "string",
        "texts_bytes": "string",
        "error": "string",
    },
}


@pytest.fixture(scope="module", params=["byte_pair", "character"])
def tokenizer(request):
    if request.param == "character":
        return CharacterTokenizer("".join(sorted(set(TEXT))))
    return train_byte_pair([TEXT], vocab_size=290)


@pytest.fixture(scope="module")
def model(tokenizer):
    gpt = GPTModel(
        # Padded: the ids from the tokenizer's size on are never drawn.
        tokenizer.vocab_size + 30,
        16,
        2,
        32,
        max_length=32,
        num_layers=2,
        initializer_stddev=0.3,
    )
    gpt(np.zeros((1, 1), np.int32))
    return gpt


@pytest.fixture(scope="module")
def signatures(model, tokenizer):
    policy = Policy(max_prompt_bytes=500, max_new_tokens=50)
    return make_signatures(model, tokenizer, policy, INPUTS, **DEFAULTS)


@pytest.fixture(scope="module")
def functions(signatures):
    return {name: one.trace() for name, one in signatures.items()}


@pytest.fixture(scope="module")
def call(signatures, functions):
    def run(name, **inputs):
        if name == "generate":  # in one piece
            rows = len(inputs["prompts"])
            whole = {"steps": [0] * rows, "continuation": [""] * rows}
            inputs = whole | inputs
        specs = {spec.name: spec.dtype for spec in signatures[name].inputs}
        tensors = [tf.constant(inputs[key], specs[key]) for key in specs]
        outputs = functions[name](*tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    return run


def settings_of(rows):
    return {
        name: [
            SEPARATOR.join(value) if isinstance(value, list) else value
            for value in (row.get(name, setting.default) for row in rows)
        ]
        for name, setting in SETTINGS.items()
    }


def test_inputs_and_outputs_have_their_names_and_types(signatures, functions):
    assert list(signatures) == list(INPUTS)
    for name, signature in signatures.items():
        assert [spec.name for spec in signature.inputs] == INPUTS[name]
        assert all(spec.shape[0] is None for spec in signature.inputs)
        outputs = functions[name].structured_outputs
        dtypes = {key: value.dtype.name for key, value in outputs.items()}
        assert dtypes == OUTPUTS[name]


def test_an_empty_batch_gets_an_empty_answer(call, signatures):
    for name, signature in signatures.items():
        empty = {
            spec.name: np.zeros(
                [0] * spec.shape.rank, spec.dtype.as_numpy_dtype
            )
            for spec in signature.inputs
        }
        for key, value in call(name, **empty).items():
            assert value.shape[0] == 0, (name, key)


def test_every_input_needs_a_value_for_each_row(call):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="`seed` must have one value for"
    ):
        call(
            "complete",
            prompts=["a", "b"],
            max_new_tokens=[1, 1],
            temperature=[1.0, 1.0],
            seed=[1],
        )


PROMPTS = ["the cat", "", "猫坐", "ein Häuschen " * 9, "\0 <|endoftext|>"]


def test_completions_equal_those_of_the_model(call, model, tokenizer):
    generator = TextGenerator(model, tokenizer)
    expected = generator.generate(PROMPTS, **DEFAULTS)
    made = call("serving_default", prompts=PROMPTS)["completions"]
    assert [text.decode() for text in made] == [row.text for row in expected]
    some = dict(
        max_new_tokens=[3, 0, 20, 9, 7],
        temperature=[0.0, 1.0, 0.5, 2.0, 1.0],
        seed=[1, 2, 3, 4, 5],
    )
    expected = generator.generate(PROMPTS, **DEFAULTS | some)
    made = call("complete", prompts=PROMPTS, **some)["completions"]
    assert [text.decode() for text in made] == [row.text for row in expected]


def mixed_rows(count=32):
    random = np.random.default_rng(0)
    return [
        dict(
            **random_numbers(random),
            seed=row,
            stop=[["a"], [], ["th", "猫"]][row % 3],
            banned=[[], ["e"], ["at", "the c"]][row // 3 % 3],
            overflow=str(random.choice(["stop", "roll"])),
        )
        for row in range(count)
    ]


def test_rows_with_32_different_settings_equal_the_same_rows_alone(
    call, model, tokenizer
):
    rows = mixed_rows()
    prompts = [PROMPTS[n % len(PROMPTS)] for n in range(len(rows))]
    together = call("generate", prompts=prompts, **settings_of(rows))
    assert not any(together["error"])
    generator = TextGenerator(model, tokenizer)
    for n, row in enumerate(rows):
        alone = call("generate", prompts=[prompts[n]], **settings_of([row]))
        for key in set(OUTPUTS["generate"]) - {"logprobs", "top_logprobs"}:
            value = together[key][n]
            if value.ndim if hasattr(value, "ndim") else 0:
                size = alone["lengths"][0]
                assert value[:size].tolist() == alone[key][0][:size].tolist()
            else:
                assert value == alone[key][0]
        size = alone["lengths"][0]
        np.testing.assert_allclose(
            together["logprobs"][n][:size],
            alone["logprobs"][0][:size],
            atol=1e-5,
        )
        expected = generator.generate(prompts[n], **row)
        assert together["completions"][n].decode() == expected.text
        assert together["finish_reason"][n].decode() == expected.finish_reason
        ids = together["token_ids"][n][:size]
        assert tuple(ids.tolist()) == expected.token_ids


def test_a_bad_row_is_told_and_its_neighbours_are_answered(call):
    good = dict(max_new_tokens=9)
    rows = [good, good | dict(top_p=float("nan")), dict(max_new_tokens=51)]
    rows.append(good)
    prompts = ["the cat", "a", "b", "x" * 501]
    made = call("generate", prompts=prompts, **settings_of(rows))
    reasons = [reason.decode() for reason in made["finish_reason"]]
    assert reasons[0] != "invalid" and reasons[1:] == ["invalid"] * 3
    names = [error.decode().split("`")[1] for error in made["error"][1:]]
    assert names == ["top_p", "max_new_tokens", "prompts"]
    alone = call("generate", prompts=["the cat"], **settings_of([good]))
    assert made["completions"][0] == alone["completions"][0]


def test_logits_equal_those_of_the_model(call, model, tokenizer):
    ids = np.array([[1, 2, 3, 4], [20, 0, 5, 26]])
    logits = call("logits", token_ids=ids, lengths=[4, 4])["logits"]
    expected = model(ids)[..., : tokenizer.vocab_size]
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_logits_do_not_depend_on_padding_or_neighbours(call, tokenizer):
    ids = np.full((6, 40), 3)
    ids[0, 2:] = -7  # a server pads with anything
    ids[1, 1] = tokenizer.vocab_size
    ids[2, 0] = -1
    lengths = [2, 3, 1, 33, -1, 0]
    made = call("logits", token_ids=ids, lengths=lengths)
    alone = call("logits", token_ids=ids[:1, :2], lengths=[2])
    np.testing.assert_allclose(
        made["logits"][0, :2], alone["logits"][0], atol=1e-5
    )
    assert not made["logits"][0, 2:].any() and not made["logits"][1:].any()
    last = tokenizer.vocab_size - 1
    assert [error.decode() for error in made["error"]] == [
        "",
        f"`token_ids` must be from 0 to {last}. Received: {last + 1}",
        f"`token_ids` must be from 0 to {last}. Received: -1",
        "`lengths` must be at most 32. Received: 33",
        "`lengths` must be from 0 to the number of columns of `token_ids`. "
        "Received: -1",
        "",
    ]


def test_logits_of_no_columns(call, tokenizer):
    made = call("logits", token_ids=np.zeros((2, 0)), lengths=[0, 1])
    assert made["logits"].shape == (2, 0, tokenizer.vocab_size)
    assert [bool(error) for error in made["error"]] == [False, True]


def test_tokenize_and_detokenize_are_the_tokenizer_s(call, tokenizer):
    texts = [*PROMPTS, TEXT, "x" * 501]
    made = call("tokenize", texts=texts)
    for row, text in enumerate(texts[:-1]):
        ids = tokenizer.encode(text)
        assert made["token_ids"][row][: made["lengths"][row]].tolist() == ids
    assert [bool(error) for error in made["error"]] == [False] * 6 + [True]
    assert made["lengths"][-1] == 0
    back = call(
        "detokenize", token_ids=made["token_ids"], lengths=made["lengths"]
    )
    for row, text in enumerate(texts[:-1]):
        expected = tokenizer.decode(tokenizer.encode(text))
        assert back["texts"][row].decode() == expected
    assert not any(back["error"])


def test_detokenize_judges_rows(call, tokenizer):
    ids = np.array([[0, 1], [10**6, -3], [0, 1], [0, 1]])
    made = call("detokenize", token_ids=ids, lengths=[2, 2, 3, -1])
    assert made["texts"][0].decode() == tokenizer.decode([0, 1])
    assert made["texts"][1:].tolist() == [b""] * 3
    assert [bool(error) for error in made["error"]] == [False] * 2 + [True] * 2


def test_bytes_that_are_no_text_come_back_beside(call, tokenizer):
    if not hasattr(tokenizer, "unknown_id"):
        first = next(
            n for n in range(256) if tokenizer.token_bytes(n) == b"\xe7"
        )
        made = call("detokenize", token_ids=[[first]], lengths=[1])
        assert made["texts_bytes"][0] == b"\xe7"
        assert made["texts"][0].decode() == "\ufffd"


def test_score_is_that_of_the_tokens(call, tokenizer):
    made = call("score", prompts=["the", ""], texts=[" cat sat", "猫"])
    for row, text in enumerate([" cat sat", "猫"]):
        assert made["lengths"][row] == len(tokenizer.encode(text))
        np.testing.assert_allclose(
            made["total_logprob"][row], made["logprobs"][row].sum(), rtol=1e-5
        )
        assert made["total_logprob"][row] < 0 < made["bits_per_byte"][row]


def test_defaults_must_keep_to_the_policy(model, tokenizer):
    with pytest.raises(ValueError, match="at most 5, .* max_new_tokens=6"):
        make_signatures(
            model, tokenizer, Policy(max_new_tokens=5), max_new_tokens=6
        )
    with pytest.raises(ValueError, match="`top_p` must be"):
        make_signatures(model, tokenizer, top_p=0)

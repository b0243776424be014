"""Tests that the pieces of an answer are those of one call, whatever comes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sampling_testing import random_numbers

from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import SEPARATOR
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.watermark import Watermark
from gpt_keras.model import GPTModel
from gpt_keras.serving.fingerprint import make_fingerprint
from gpt_keras.serving.keyed_checksum import CHECKSUM_BYTES
from gpt_keras.serving.keyed_checksum import checksum
from gpt_keras.serving.row_header import HEADER_BYTES
from gpt_keras.serving.row_header import RowHeader
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop"
PROMPTS = ["the cat", "", "猫坐", "ein Häuschen " * 9, "\0 <|endoftext|>"]
NAMES = ("generate", "prefill", "step")
POLICIES = {
    # What holds in every step, and what replaces a text at its end.
    "plain": Policy(
        max_prompt_bytes=500,
        max_new_tokens=50,
        banned=("zz",),
        repetition_guard=2,
        watermark=Watermark(key=9),
    ),
    "hiding": Policy(max_new_tokens=50, redact=("phone",), refuse=("t",)),
}
CONTENT = (
    "completions",
    "completions_bytes",
    "token_ids",
    "logprobs",
    "top_token_ids",
    "top_logprobs",
)


class Served:
    """The signatures of one model, called by names."""

    def __init__(self, policy, dtype="float32", document_mask=False):
        self.tokenizer = train_byte_pair([TEXT], vocab_size=290)
        separator = self.tokenizer.end_of_text_id if document_mask else None
        keras.utils.set_random_seed(0)  # a test wants words that are refused
        self.model = GPTModel(
            self.tokenizer.vocab_size + 30,
            *(16, 2, 32),
            max_length=32,
            num_layers=2,
            initializer_stddev=0.3,
            document_separator_id=separator,
            dtype=dtype,
        )
        self.model(np.zeros((1, 1), np.int32))
        self.policy = policy
        self.signatures = make_signatures(
            self.model, self.tokenizer, policy, NAMES, max_new_tokens=9
        )
        self.functions = {name: self.signatures[name].trace() for name in NAMES}

    def call(self, name, **inputs):
        specs = {x.name: x.dtype for x in self.signatures[name].inputs}
        tensors = [tf.constant(inputs[key], specs[key]) for key in specs]
        outputs = self.functions[name](*tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    def generate(self, columns, steps=0, continuation=""):
        rows = len(columns["prompts"])
        return self.call(
            "generate",
            **columns,
            steps=np.broadcast_to(steps, rows),
            continuation=np.broadcast_to(continuation, rows),
        )

    def stream(self, columns, steps):
        """Returns the rows that `prefill` and `step` give in pieces."""

        def go_on(answer, rows, going):
            states = answer["state_bytes"][going]
            return self.call("step", state_bytes=states, steps=steps[rows])

        return joined(self.call("prefill", **columns), go_on)

    def chunks(self, columns, steps):
        """Returns the rows that `generate` gives in chunks."""

        def go_on(answer, rows, going):
            return self.generate(
                {key: np.array(x)[rows] for key, x in columns.items()},
                steps[rows],
                answer["continuation"][going],
            )

        return joined(self.generate(columns, steps), go_on)


def joined(answer, go_on):
    """Returns rows of whole answers, of a first one and those after it."""
    rows = np.arange(len(answer["error"]))
    pieces = [[] for _ in rows]
    while True:
        for n, row in enumerate(rows):
            pieces[row].append(row_of(answer, n))
        going = np.flatnonzero(answer["finish_reason"] == b"")
        if not going.size:
            return [whole_of(row) for row in pieces]
        rows = rows[going]
        answer = go_on(answer, rows, going)


def row_of(answer, n):
    size = answer["lengths"][n]
    return {
        key: values[n][:size] if values.ndim > 1 else values[n]
        for key, values in answer.items()
    }


def whole_of(pieces):
    """Joins the pieces of one row; each alone is whole characters."""
    for piece in pieces[:-1]:
        assert not piece["error"] and not piece["finish_reason"]
    whole = dict(pieces[-1])
    for key in CONTENT:
        parts = [piece[key] for piece in pieces]
        is_text = isinstance(parts[0], bytes)
        whole[key] = b"".join(parts) if is_text else np.concatenate(parts)
    assert {piece["seed_used"] for piece in pieces} == {whole["seed_used"]}
    return whole


def assert_same(row, expected):
    for key in CONTENT:
        if "logprobs" in key:
            np.testing.assert_allclose(row[key], expected[key], atol=1e-4)
        else:
            assert np.array_equal(row[key], expected[key]), key
    for key in ("finish_reason", "prompt_truncated", "seed_used", "error"):
        assert row[key] == expected[key], key


def make_columns(count=20):
    random = np.random.default_rng(0)
    rows = [
        dict(
            **random_numbers(random),
            seed=row,
            stop=["a", "", "th\x1f猫", "cat sat\x1fHäu"][row % 4],
            banned=["", "e", "at\x1fthe c"][row // 3 % 3],
            overflow=["stop", "roll"][row // 2 % 2],
        )
        for row in range(count)
    ]
    columns = {name: [row[name] for row in rows] for name in SETTINGS}
    prompts = [PROMPTS[n % len(PROMPTS)] for n in range(count)]
    return columns | {"prompts": prompts}


COLUMNS = make_columns()
STEPS = {
    "one": np.full(20, 1),
    "three": np.full(20, 3),
    "mixed": np.arange(20) % 6,  # 0 is all that are left
}


@pytest.fixture(scope="module")
def plain():
    return Served(POLICIES["plain"])


@pytest.fixture(scope="module")
def whole(plain):
    answer = plain.generate(COLUMNS)
    assert not any(answer["error"]) and not any(answer["continuation"])
    reasons = set(answer["finish_reason"])
    assert reasons >= {b"stop", b"length", b"max_length"}
    return [row_of(answer, n) for n in range(20)]


def test_inputs_and_outputs_have_their_names_and_types(plain):
    inputs = {
        name: [spec.name for spec in plain.signatures[name].inputs]
        for name in NAMES
    }
    first = ["prompts", *SETTINGS]
    assert inputs["generate"] == [*first, "steps", "continuation"]
    assert inputs["prefill"] == first
    assert inputs["step"] == ["state_bytes", "steps"]
    dtypes = {
        name: {key: x.dtype for key, x in function.structured_outputs.items()}
        for name, function in plain.functions.items()
    }
    assert dtypes["generate"].pop("continuation") == tf.string
    assert dtypes["prefill"] == dtypes["step"]
    assert dtypes["step"].pop("state_bytes") == tf.string
    assert dtypes["generate"] == dtypes["step"]


@pytest.mark.parametrize("steps", STEPS)
def test_the_pieces_of_steps_are_one_answer(plain, whole, steps):
    for row, expected in zip(
        plain.stream(COLUMNS, STEPS[steps]), whole, strict=True
    ):
        assert_same(row, expected)
        assert row["state_bytes"] == b""


@pytest.mark.parametrize("steps", ["one", "mixed"])
def test_the_pieces_of_chunks_are_one_answer(plain, whole, steps):
    for row, expected in zip(
        plain.chunks(COLUMNS, STEPS[steps]), whole, strict=True
    ):
        assert_same(row, expected)
        assert row["continuation"] == b""


def test_strangers_meet_at_any_place(plain, whole):
    """Rows that have come differently far, in another order, in one batch."""
    answer = plain.call("prefill", **COLUMNS)
    rows = np.flatnonzero(answer["finish_reason"] == b"")[:6]
    states = answer["state_bytes"][rows]
    texts = answer["completions_bytes"][rows]
    for n in range(len(rows)):  # each goes on alone, by another count
        one = plain.call("step", state_bytes=states[n : n + 1], steps=[n + 1])
        states[n] = one["state_bytes"][0]
        texts[n] += one["completions_bytes"][0]
    order = [n for n in [3, 0, 5, 1, 4, 2] if states[n]]
    last = plain.call("step", state_bytes=states[order], steps=[0] * len(order))
    for place, n in enumerate(order):
        text = texts[n] + last["completions_bytes"][place]
        assert text == whole[rows[n]]["completions_bytes"]


def test_a_drawn_seed_goes_on(plain):
    columns = COLUMNS | {"seed": [-1] * 20}
    first = plain.generate(columns, 4)
    seeds = first["seed_used"]
    assert len(set(seeds)) == 20 and min(seeds) >= 0
    going = np.flatnonzero(first["continuation"] != b"")
    some = {key: np.array(x)[going] for key, x in columns.items()}
    answer = plain.generate(some, 0, first["continuation"][going])
    named = plain.generate(
        some | {"seed": seeds[going]}, 0, first["continuation"][going]
    )
    expected = plain.generate(columns | {"seed": seeds})
    for place, row in enumerate(going):
        text = first["completions_bytes"][row]
        text += answer["completions_bytes"][place]
        assert text == expected["completions_bytes"][row]
    assert np.array_equal(named["completions"], answer["completions"])


def check_refused(answer, expected, rule):
    """The first row is answered as before, all others are invalid."""
    assert answer["error"][0] == b""
    assert answer["completions_bytes"][0] == expected
    for n, error in enumerate(answer["error"][1:], 1):
        assert rule in error.decode(), n
        assert answer["finish_reason"][n] == b"invalid"
        assert answer["lengths"][n] == 0
        assert answer["completions_bytes"][n] == b""


@pytest.fixture(scope="module")
def going(plain):
    """One row that goes on: its inputs and its first answers."""
    columns = {key: values[1:2] for key, values in COLUMNS.items()}
    first = plain.call("prefill", **columns)
    state = first["state_bytes"][0]
    assert state
    answer = plain.call("step", state_bytes=[state], steps=[3])
    chunk = plain.generate(columns, 3)
    assert chunk["continuation"][0]
    return columns, state, answer["completions_bytes"][0], chunk


def test_a_state_that_is_none_is_told_and_its_neighbours_are_answered(
    plain, going
):
    _, state, expected, _ = going
    middle = len(state) // 2
    flipped = bytearray(state)
    flipped[middle] ^= 1
    other = state.replace(state[18:34], b"0123456789abcdef")
    bad = [b"", b"x", state[:20], state[:-1], state + b"\0", bytes(flipped)]
    bad += [state[:middle], b"\xff" * 1000, state.upper(), other, state * 2]
    answer = plain.call(
        "step", state_bytes=[state, *bad], steps=[3] * (len(bad) + 1)
    )
    check_refused(answer, expected, "`state_bytes` must be what")
    assert not any(answer["state_bytes"][1:])
    assert b"of the same model" in answer["error"][10]
    assert answer["error"][1].endswith(b"gave. Received: 0 bytes")


def test_a_forged_state_never_fails_the_batch(plain, going):
    """Whoever has the key may write any header, id and float."""
    _, state, expected, _ = going
    fingerprint = make_fingerprint(plain.model, plain.tokenizer, plain.policy)
    mark = 35  # behind the format and the tag
    body = mark + CHECKSUM_BYTES + 1
    random = np.random.default_rng(0)
    size = len(RowHeader._fields)
    extremes = [0, 1, -1, 2, 31, 32, 33, 2**31 - 1, -(2**31), 10**6]
    bodies = []
    for field in range(size):
        for value in random.choice(extremes, 4, replace=False):
            header = np.frombuffer(state, np.int32, size, body).copy()
            header[field] = value
            bodies.append(header.tobytes() + state[body + HEADER_BYTES :])
    for _ in range(60):
        noise = random.integers(-(2**31), 2**31, size).astype(np.int32)
        bodies.append(noise.tobytes() + state[body + HEADER_BYTES :])
        spoilt = bytearray(state[body:])
        for place in random.integers(HEADER_BYTES, len(spoilt), 40):
            spoilt[place] = 255  # NaN, and ids that there are not
        bodies.append(bytes(spoilt))
    marks = checksum(tf.constant(bodies), fingerprint.key).numpy()
    forged = [
        state[:mark] + digits + b":" + rest
        for digits, rest in zip(marks, bodies, strict=True)
    ]
    answer = plain.call(
        "step", state_bytes=[state, *forged], steps=[3] * (len(forged) + 1)
    )
    assert answer["completions_bytes"][0] == expected
    is_invalid = answer["finish_reason"] == b"invalid"
    assert is_invalid.sum() > 100 and np.array_equal(
        is_invalid, answer["error"] != b""
    )


def test_a_continuation_of_another_row_is_told(plain, going):
    columns, _, _, chunk = going
    text = chunk["continuation"][0]
    expected = plain.generate(columns, 0, text)["completions_bytes"][0]
    bad = [b"x", text[:-1], text + b"0", text.replace(b"1:", b"2:", 1)]
    bad += [text.replace(b",", b",1", 1), text.upper(), b":" * 6, b"\xff"]
    count = len(bad)
    many = {key: list(x) * (count + 1) for key, x in columns.items()}
    answer = plain.generate(many, 0, [text, *bad])
    check_refused(answer, expected, "`continuation` must be empty, or what")
    changes = [("prompts", "the"), ("temperature", 0.123), ("stop", "q")]
    changes += [("max_new_tokens", 49), ("overflow", "roll"), ("seed", 99)]
    changes += [("banned", "q"), ("top_k", 7), ("no_repeat_ngram", 5)]
    many = {key: list(x) * (len(changes) + 1) for key, x in columns.items()}
    for row, (key, value) in enumerate(changes, 1):
        assert many[key][row] != value
        many[key][row] = value
    answer = plain.generate(many, 0, text)
    check_refused(answer, expected, "for the same prompt and settings")


def test_steps_have_their_rule(plain, going):
    columns, state, _, chunk = going
    rule = b"`steps` must be an integer from 0 to 2**31 - 1. Received: -1"
    answer = plain.call("step", state_bytes=[state] * 2, steps=[-1, 2**31 - 1])
    assert answer["error"].tolist() == [rule, b""]
    assert answer["finish_reason"][0] == b"invalid"
    answer = plain.generate(columns, -1)
    assert answer["error"].tolist() == [rule]
    answer = plain.generate(columns, -1, chunk["continuation"][0])
    assert answer["error"].tolist() == [rule]
    assert answer["completions_bytes"].tolist() == [b""]


def test_an_empty_batch_gets_an_empty_answer(plain):
    for name in NAMES:
        empty = {
            spec.name: np.zeros(0, spec.dtype.as_numpy_dtype)
            for spec in plain.signatures[name].inputs
        }
        answer = plain.call(name, **empty)
        assert all(values.shape[0] == 0 for values in answer.values())


@pytest.fixture(scope="module")
def hiding():
    return Served(POLICIES["hiding"], "mixed_bfloat16", document_mask=True)


def test_what_a_policy_may_replace_comes_in_one_piece(hiding):
    answer = hiding.generate(COLUMNS)
    reasons = set(answer["finish_reason"])
    assert b"refused" in reasons and len(reasons) > 1
    first = hiding.call("prefill", **COLUMNS)
    going = first["finish_reason"] == b""
    assert going.any() and not any(first["completions"][going])
    assert not first["lengths"][going].any()
    for n, row in enumerate(hiding.stream(COLUMNS, STEPS["mixed"])):
        assert_same(row, row_of(answer, n))


def test_a_state_has_the_size_that_the_docs_say(hiding, plain):
    """Per position: keys and values of two layers of 16 features."""
    columns = {key: values[1:2] for key, values in COLUMNS.items()}
    columns |= {"prompts": ["the cat " * 20], "overflow": ["roll"]}
    sizes = [
        len(served.call("prefill", **columns)["state_bytes"][0])
        for served in (plain, hiding)
    ]
    stop_and_banned = len(columns["stop"][0]) + len(columns["banned"][0])
    rest = 132 + 4 * 32 + stop_and_banned
    numbers = 31 * 2 * 2 * 16
    held = 44  # of a token that was not sent
    assert sizes == [rest + numbers * 4, rest + numbers * 2 + held]


def test_separators_of_texts_are_kept(plain):
    columns = {key: values[2:3] for key, values in COLUMNS.items()}
    assert SEPARATOR in columns["stop"][0]
    state = plain.call("prefill", **columns)["state_bytes"][0]
    tail = columns["stop"][0].encode() + columns["banned"][0].encode()
    assert state.endswith(tail)

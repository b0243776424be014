"""Tests of completions in the graph: every row is judged for itself."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.policy import Policy
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_completion import TextCompleter
from gpt_keras.model import GPTModel
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. mail bob@example.com or 猫坐在垫子上 don't stop"


@functools.cache
def tokenizer():
    return train_byte_pair([TEXT], vocab_size=290)


@functools.cache
def model():
    gpt = GPTModel(
        # Padded: ids from 290 on are never drawn.
        320,
        16,
        2,
        32,
        max_length=32,
        num_layers=2,
        initializer_stddev=0.3,
    )
    gpt(np.zeros((1, 1), np.int32))
    return gpt


@functools.cache
def completer(policy=Policy()):  # noqa: B008  a frozen value
    made = TextCompleter(model(), tokenizer(), policy, details=True)
    spec = (tf.TensorSpec([None], tf.string), SETTINGS_SPEC)
    return tf.function(made.complete, input_signature=spec, autograph=False)


def complete(prompts, rows, policy=None):
    """Completes prompts with a dictionary of settings for each."""
    columns = []
    for name, setting in SETTINGS.items():
        values = [row.get(name, setting.default) for row in rows]
        columns.append(tf.constant(values, setting.dtype))
    function = completer(policy) if policy else completer()
    settings = GenerationSettings(*columns)
    made = function(tf.constant(prompts, tf.string), settings)
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), made)


def row_of(made, row):
    return tf.nest.map_structure(
        lambda x: x[row].tolist() if hasattr(x[row], "tolist") else x[row], made
    )


GOOD = dict(max_new_tokens=20, seed=3)
BAD = [
    dict(temperature=-1.0),
    dict(temperature=float("nan")),
    dict(top_k=-3),
    dict(top_p=0.0),
    dict(min_p=2.0),
    dict(repetition_penalty=float("inf")),
    dict(frequency_penalty=float("nan")),
    dict(no_repeat_ngram=-1),
    dict(max_new_tokens=-1),
    dict(seed=-5),
    dict(stop="x" * 300),
    dict(banned=SEPARATOR.join("ab" * 40)),
    dict(overflow="wrap"),
]


def test_a_bad_row_comes_back_empty_and_its_neighbours_are_answered():
    rows = [GOOD, *BAD, GOOD]
    made = complete(["the cat"] * len(rows), rows)
    alone = row_of(complete(["the cat"], [GOOD]), 0)
    for row, bad in enumerate(BAD, start=1):
        (name,) = bad
        assert made.errors[row].decode().startswith(f"`{name}` must be")
        assert made.finish_reasons[row] == b"invalid"
        assert made.completions[row] == made.completions_bytes[row] == b""
        assert made.lengths[row] == 0
    for row in (0, -1):
        assert made.errors[row] == b""
        assert made.finish_reasons[row] == alone.finish_reasons
        assert made.completions[row] == alone.completions
        length = alone.lengths
        ids = made.token_ids[row]
        assert ids[:length].tolist() == alone.token_ids[:length]


def test_strange_values_that_are_allowed_get_an_answer():
    rows = [
        GOOD | dict(top_k=10**9),
        GOOD | dict(temperature=3e38),
        GOOD | dict(temperature=1e-38),
        GOOD | dict(top_p=1e-30, min_p=1.0),
        GOOD | dict(repetition_penalty=1e38),
        GOOD | dict(frequency_penalty=-3e38, presence_penalty=3e38),
        GOOD | dict(no_repeat_ngram=100),
        GOOD | dict(no_repeat_ngram=1),
        GOOD | dict(max_new_tokens=2**31 - 1),
        GOOD | dict(stop=SEPARATOR, banned=SEPARATOR * 3),
        GOOD | dict(stop=b"\xff\xfe", banned=b"\0"),
    ]
    prompts = [b"\xff\xfe", b"\0", b"", "猫".encode(), b"a" * 9000] + [b"x"] * 6
    made = complete(prompts, rows)
    assert made.errors.tolist() == [b""] * len(rows)
    assert (made.token_ids >= 0).all() and (made.token_ids < 290).all()
    assert all(np.isfinite(value).all() for value in made.details)
    for text in made.completions:
        text.decode()


def test_limits_are_judged_by_row():
    policy = Policy(max_prompt_bytes=10, max_new_tokens=5)
    prompts = ["the cat", "the cat sat", "猫猫猫猫", "the cat", b"a" * 10**7]
    rows = [dict(max_new_tokens=n) for n in (5, 5, 5, 6, 6)]
    made = complete(prompts, rows, policy)
    assert [error.decode() for error in made.errors] == [
        "",
        "`prompts` must be at most 10 bytes long. Received: 11 bytes",
        "`prompts` must be at most 10 bytes long. Received: 12 bytes",
        "`max_new_tokens` must be at most 5. Received: 6",
        "`prompts` must be at most 10 bytes long. Received: 10000000 bytes",
    ]
    assert made.finish_reasons[0] != b"invalid"


def test_what_is_not_utf_8_is_replaced_and_kept_beside():
    rows = [dict(seed=n, temperature=3.0, max_new_tokens=25) for n in range(40)]
    made = complete(["the"] * 40, rows)
    spelt = made.completions_bytes
    assert (made.completions != spelt).any()
    for row, (text, whole) in enumerate(
        zip(made.completions, spelt, strict=True)
    ):
        assert text.decode() == whole.decode("utf-8", "replace")
        ids = made.token_ids[row][: made.lengths[row]]
        assert tokenizer().decode(ids) == text.decode()


class Scripted:
    """Writes a given text after any prompt that begins with its number."""

    max_length = 64
    vocab_size = 290

    def __init__(self, *texts):
        ids = [tokenizer().encode(text) for text in texts]
        ids = [row + [tokenizer().end_of_text_id] for row in ids]
        self.script = tf.ragged.constant(ids, tf.int32).to_tensor(
            tokenizer().end_of_text_id
        )

    def make_cache(self, batch_size, max_length=None):
        return (tf.zeros([batch_size], tf.int32),) * 2

    def hidden_states(self, token_ids, cache=None, training=None, mask=None):
        number, lengths = cache
        is_first = lengths == 0
        digits = token_ids[:, 0] - tokenizer().encode("0")[0]
        number = tf.where(is_first, digits, number)
        mask = tf.cast(mask, tf.int32)
        places = lengths[:, None] + tf.cumsum(mask, -1) - 1
        number_of = tf.broadcast_to(number[:, None], tf.shape(places))
        hidden = tf.stack([number_of, places], -1)
        lengths += tf.reduce_sum(mask, -1)
        return tf.cast(hidden, tf.float32), (number, lengths)

    def logits(self, hidden):
        index = tf.cast(hidden, tf.int32)
        place = tf.minimum(index[..., 1], tf.shape(self.script)[1] - 1)
        token = tf.gather_nd(self.script, tf.stack([index[..., 0], place], -1))
        return 9 * tf.one_hot(token, 290)


def written(policy, *texts):
    """Completions of a model that would write these texts."""
    made = TextCompleter(Scripted(*texts), tokenizer(), policy, details=True)
    settings = GenerationSettings(
        *(
            tf.fill([len(texts)], tf.constant(setting.default, setting.dtype))
            for setting in SETTINGS.values()
        )
    )._replace(temperature=tf.zeros([len(texts)]))
    prompts = [str(n) for n in range(len(texts))]
    made = tf.function(made.complete, autograph=False)(
        tf.constant(prompts), settings
    )
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), made)


def test_redaction_replaces_text_and_hides_the_tokens():
    texts = ["mail bob@example.com or not", "the cat"]
    made = written(Policy(redact=("email",)), *texts)
    redacted = b"mail [EMAIL] or not"
    assert made.completions.tolist() == [redacted, b"the cat"]
    assert made.completions_bytes.tolist() == [redacted, b"the cat"]
    assert made.lengths[0] == 0 and made.lengths[1] > 0
    assert (made.token_ids[0] == tokenizer().end_of_text_id).all()
    assert not made.details.logprobs[0].any()
    assert not made.details.top_token_ids[0].any()
    assert made.finish_reasons.tolist() == [b"stop", b"stop"]
    plain = written(Policy(), *texts)
    assert [text.decode() for text in plain.completions] == texts


def test_a_completion_with_a_refused_word_gives_the_refusal():
    policy = Policy(refuse=("mat", "猫"), refusal_text="No.")
    texts = ["on the Mat.", "the matter", "two 猫 here"]
    made = written(policy, *texts)
    assert made.completions.tolist() == [b"No.", b"the matter", b"No."]
    assert made.finish_reasons.tolist() == [b"refused", b"stop", b"refused"]
    assert made.lengths[[0, 2]].tolist() == [0, 0]


def test_a_prompt_with_a_refused_word_gives_the_refusal():
    policy = Policy(refuse=("mat",), refusal_text="不行")
    rows = [GOOD, GOOD, GOOD | dict(top_k=-1)]
    made = complete(["the MAT", "the cat", "the mat"], rows, policy)
    assert made.completions[0].decode() == "不行"
    assert made.finish_reasons[0] == b"refused"
    assert made.finish_reasons[2] == b"invalid"
    plain = complete(["the cat"], [GOOD])
    assert made.completions[1] == plain.completions[0]
    assert made.completions[2] == b""


@pytest.mark.parametrize("cut", [1, 8])
def test_long_prompts_are_cut_and_told(cut):
    long = "the cat sat on the mat. " * cut
    made = complete([long, "the"], [GOOD, GOOD])
    count = len(tokenizer().encode(long))
    assert made.prompt_truncated.tolist() == [count >= 32, False]

"""Tests of the sampling of tokens, against NumPy and statistics."""

import numpy as np
import pytest
import tensorflow as tf
from sampling_testing import END_OF_TEXT
from sampling_testing import NEVER
from sampling_testing import context_of
from sampling_testing import context_row
from sampling_testing import numpy_process
from sampling_testing import random_context
from sampling_testing import random_logits
from sampling_testing import settings_of

from gpt_keras.generation.sampling import PROCESSORS
from gpt_keras.generation.sampling import TOP_TOKENS
from gpt_keras.generation.sampling import log_probabilities
from gpt_keras.generation.sampling import sample
from gpt_keras.generation.sampling import top_log_probabilities
from gpt_keras.generation.split_mix import uniforms
from gpt_keras.generation.watermark import Watermark


def draw(logits, position=0, context=None, **values):
    logits = tf.constant(logits, tf.float32)
    settings = settings_of(logits.shape[0], **values)
    positions = np.broadcast_to(position, logits.shape[:1])
    if context is None:
        context = context_of([[0]] * logits.shape[0])
    context = context._replace(positions=tf.constant(positions, tf.int32))
    return sample(logits, settings, context).numpy()


def mixed_rows(batch_size=64, vocab_size=30, seed=0):
    """Rows with every setting on in some and off in others."""
    draws = np.random.default_rng(seed)

    def some(off, low, high, integers=False):
        values = draws.uniform(low, high, batch_size)
        values = np.round(values) if integers else values
        return np.where(draws.random(batch_size) < 0.4, off, values)

    settings = dict(
        temperature=some(0, 0.3, 2).astype("float32"),
        top_k=some(0, 1, 25, integers=True).astype(int),
        top_p=some(1, 0.1, 0.99).astype("float32"),
        min_p=some(0, 0.001, 0.5).astype("float32"),
        repetition_penalty=some(1, 0.5, 3).astype("float32"),
        frequency_penalty=some(0, -2, 2).astype("float32"),
        presence_penalty=some(0, -2, 2).astype("float32"),
        no_repeat_ngram=some(0, 1, 4, integers=True).astype(int),
        seed=draws.integers(0, 9, batch_size),
    )
    context = random_context(
        batch_size,
        vocab_size,
        seed,
        is_banned=tf.constant(draws.random((batch_size, vocab_size)) < 0.3),
        watermark=Watermark(key=seed),
    )
    return random_logits(batch_size, vocab_size, seed), context, settings


@pytest.mark.parametrize("seed", range(5))
def test_all_processors_together_are_as_the_oracle_says(seed):
    logits, context, settings = mixed_rows(seed=seed)
    actual = tf.constant(logits)
    expected = logits
    for name, process in PROCESSORS.items():
        actual = process(actual, settings_of(len(logits), **settings), context)
        expected = numpy_process(name, expected, context, **settings)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    kept = np.isfinite(expected).sum(-1)
    assert 1 <= kept.min() < 5 and kept.max() > 10


def test_the_processors_stand_in_their_order():
    assert list(PROCESSORS) == [
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "no_repeat_ngram",
        "banned",
        "watermark",
        "spans",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_among_what_the_oracle_leaves(seed):
    logits, context, settings = mixed_rows(seed=seed)
    expected = logits
    for name in PROCESSORS:
        expected = numpy_process(name, expected, context, **settings)
    for position in range(20):
        tokens = draw(logits, position, context, **settings)
        rows = np.arange(len(logits))
        assert np.isfinite(expected[rows, tokens]).all()
        greedy = settings["temperature"] == 0
        np.testing.assert_array_equal(
            tokens[greedy], expected.argmax(-1)[greedy]
        )


def test_a_row_alone_draws_what_it_draws_in_the_batch():
    logits, context, settings = mixed_rows(batch_size=24)
    positions = np.arange(24)
    together = draw(logits, positions, context, **settings)
    for row in range(24):
        (alone,) = draw(
            logits[[row]],
            positions[row],
            context_row(context, row),
            **{name: value[row] for name, value in settings.items()},
        )
        assert alone == together[row]


def test_what_is_off_changes_no_draw():
    logits, context, _ = mixed_rows()
    context = context._replace(
        is_banned=tf.zeros_like(context.is_banned), watermark=None
    )
    plain = draw(logits, seed=range(64))
    assert len(set(plain)) > 5
    np.testing.assert_array_equal(
        draw(logits, 0, context, seed=range(64)), plain
    )


@pytest.mark.parametrize("temperature", [0, 1])
def test_rows_without_any_allowed_token_draw_the_end_of_the_text(temperature):
    logits = random_logits(6, 10)
    logits[:, END_OF_TEXT] = [0, -50, NEVER, np.nan, -3e38, 9]
    ban_all = context_of([[5]] * 6, is_banned=tf.ones([6, 10], bool))
    tokens = draw(logits, 0, ban_all, temperature=temperature, top_p=0.5)
    assert tokens.tolist() == [END_OF_TEXT] * 6
    held = context_of([range(10)] * 6)
    tokens = draw(logits, 0, held, temperature=temperature, no_repeat_ngram=1)
    assert tokens.tolist() == [END_OF_TEXT] * 6


@pytest.mark.parametrize("strength", [2.0, 100.0])
def test_the_watermark_is_added_to_green_tokens(strength):
    watermark = Watermark(key=7, strength=strength)
    logits = random_logits(9, 40)
    logits[0, :5] = NEVER
    context = random_context(9, 40, watermark=watermark)
    marked = PROCESSORS["watermark"](logits, settings_of(9), context).numpy()
    expected = numpy_process("watermark", logits, context)
    np.testing.assert_array_equal(marked, expected)
    assert 0.1 < (marked != logits).mean() < 0.4
    assert (marked[0, :5] == NEVER).all()


def _filtered(logits):
    for name, value in (("temperature", 2), ("top_k", 8), ("top_p", 0.6)):
        logits = numpy_process(name, logits, None, **{name: value})
    return logits


def test_filters_compose_temperature_then_k_then_p():
    logits = random_logits(200, 50)
    drawn = set()
    for seed in range(20):
        tokens = draw(logits, temperature=2.0, top_k=8, top_p=0.6, seed=seed)
        drawn |= set(enumerate(tokens.tolist()))
    allowed = {
        (row, token)
        for row, values in enumerate(logits)
        for token in np.flatnonzero(np.isfinite(_filtered(values[None])[0]))
    }
    assert drawn <= allowed
    assert len(drawn) > 0.8 * len(allowed)


def test_zero_temperature_takes_the_first_of_the_likeliest():
    logits = random_logits(50, 20, ties=True)
    expected = logits.argmax(-1)
    for top_k, top_p in [(0, 1.0), (3, 0.5)]:
        tokens = draw(logits, temperature=0, top_k=top_k, top_p=top_p, seed=3)
        np.testing.assert_array_equal(tokens, expected)


@pytest.mark.parametrize("temperature", [1e-30, 1e-6])
def test_a_tiny_temperature_is_nearly_greedy(temperature):
    logits = random_logits(50, 20)
    tokens = draw(logits, temperature=temperature, seed=range(50))
    np.testing.assert_array_equal(tokens, logits.argmax(-1))


def test_draws_follow_the_probabilities():
    logits = np.array([2.0, 0.0, 1.0, NEVER, -1.0], "float32")
    count = 100_000
    tokens = draw(np.tile(logits, (count, 1)), seed=range(count))
    probabilities = np.exp(logits) / np.exp(logits).sum()
    counts = np.bincount(tokens, minlength=5)
    assert counts[3] == 0
    wanted = probabilities[[0, 1, 2, 4]] * count
    counts = counts[[0, 1, 2, 4]]
    assert ((counts - wanted) ** 2 / wanted).sum() < 16.3  # p = 0.001


def test_a_token_is_where_its_uniform_falls():
    logits = random_logits(500, 300)
    seeds, positions = np.arange(500) * 7, np.arange(500) % 13
    tokens = draw(logits, positions, seed=seeds)
    uniform = uniforms(tf.constant(seeds), tf.constant(positions, tf.int32))
    weights = np.exp(logits.astype("float64"))
    sums = np.cumsum(weights, -1) / weights.sum(-1, keepdims=True)
    expected = (sums <= uniform.numpy()[:, None]).sum(-1)
    np.testing.assert_array_equal(tokens, expected)


def test_a_heavy_token_does_not_swallow_light_ones():
    light = np.full(50_000, np.log(5e-8))
    logits = np.concatenate([[0.0], light]).astype("float32")[None]
    seeds = np.arange(10_000)
    uniform = uniforms(tf.constant(seeds), tf.zeros(10_000, tf.int32)).numpy()
    seed = seeds[uniform > 0.9995][0]
    share = 0.0025 / 1.0025
    place = (uniform[seed] - (1 - share)) / share
    (token,) = draw(logits, seed=seed)
    assert token == pytest.approx(50_000 * place, rel=1e-3)


def test_a_row_does_not_depend_on_its_neighbours():
    logits = random_logits(6, 40)
    values = dict(
        temperature=np.array([1, 0, 0.7, 2, 1, 1]),
        top_k=np.array([0, 0, 5, 0, 3, 0]),
        top_p=np.array([1, 1, 1, 0.5, 0.9, 1]),
        seed=np.array([1, 2, 3, 3, 1, 9]),
    )
    positions = np.array([0, 5, 2, 2, 0, 7])
    together = draw(logits, positions, **values)
    alone = [
        draw(logits[[n]], positions[n], **{k: v[n] for k, v in values.items()})
        for n in range(6)
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"temperature": 0},
        {"top_k": 3},
        {"top_p": 0.5},
        {"top_k": 3, "top_p": 0.1},
        {"temperature": np.nan},
        {"temperature": -1},
        {"temperature": 1e-45},
        {"top_k": -5},
        {"top_p": -1},
        {"top_p": 0},
        {"top_p": np.nan},
        {"min_p": 0.5},
        {"min_p": np.nan},
        {"min_p": -1},
        {"min_p": np.inf},
        {"repetition_penalty": 1.5},
        {"repetition_penalty": np.nan},
        {"repetition_penalty": 3e38},
        {"repetition_penalty": np.inf},
        {"repetition_penalty": 0},
        {"frequency_penalty": np.nan},
        {"frequency_penalty": np.inf},
        {"presence_penalty": np.inf},
        {"presence_penalty": 3e38},
        {"no_repeat_ngram": -1},
        {"no_repeat_ngram": 100},
    ],
)
def test_no_logits_and_no_setting_lead_out_of_the_vocabulary(values):
    nan, inf = np.nan, np.inf
    logits = np.array(
        [
            [nan, nan, nan, nan],
            [nan, 1, nan, 0],
            [inf, inf, 0, nan],
            [-inf, -inf, -inf, -inf],
            [3e38, -3e38, 0, nan],
            [0, 1, 2, 3],
        ],
        "float32",
    )
    context = context_of([[2]] * 6, [0] * 6)
    for seed in range(10):
        tokens = draw(logits, 0, context, seed=seed, **values)
        assert ((tokens >= 0) & (tokens < 4)).all()
        assert tokens[1] in (1, 3)
        assert tokens[4] == 0
        hot = {"temperature": np.inf, **values}
        tokens = draw(logits, 0, context, seed=seed, **hot)
        assert ((tokens >= 0) & (tokens < 4)).all()


@pytest.mark.parametrize("name", ["top_k", "watermark", "everything"])
def test_an_empty_batch_stays_empty(name):
    values = dict(
        top_k=[],
        top_p=[],
        repetition_penalty=[],
        frequency_penalty=[],
        no_repeat_ngram=[],
    )
    context = context_of([], watermark=Watermark(key=1))
    if name == "everything":
        context = context._replace(is_banned=tf.zeros([0, 5], bool))
    elif name == "top_k":
        context, values = context._replace(watermark=None), {"top_k": []}
    else:
        values = {}
    assert draw(np.zeros((0, 5)), [], context, **values).shape == (0,)
    for outputs in top_log_probabilities(
        tf.zeros([0, 5]), tf.zeros([0], tf.int32)
    ):
        assert outputs.shape[0] == 0


def test_log_probabilities_are_those_of_the_softmax():
    logits = random_logits(5, 40).reshape(1, 5, 40)
    wide = logits.astype("float64")
    expected = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    logprobs = log_probabilities(tf.constant(logits)).numpy()
    assert logprobs.dtype == np.float32
    np.testing.assert_allclose(logprobs, expected, atol=1e-5)


@pytest.mark.parametrize("vocab_size", [1, 3, 5, 40])
def test_the_likeliest_tokens_come_with_the_drawn_one(vocab_size):
    logits = random_logits(6, vocab_size, ties=True)
    drawn = np.arange(6) % vocab_size
    logprobs, ids, top = top_log_probabilities(
        tf.constant(logits), tf.constant(drawn, tf.int32)
    )
    expected = log_probabilities(tf.constant(logits)).numpy()
    order = np.argsort(-logits, -1, kind="stable")[:, :TOP_TOKENS]
    np.testing.assert_array_equal(logprobs, expected[np.arange(6), drawn])
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_array_equal(top, np.take_along_axis(expected, order, -1))


@pytest.mark.parametrize(
    "row",
    [
        [np.nan] * 4,
        [-np.inf] * 4,
        [np.inf, 0, -np.inf, np.nan],
        [3e38, -3e38, 0, 1],
        [0, 1, 2, np.nan],
    ],
)
def test_log_probabilities_are_finite(row):
    logits = tf.constant([row], tf.float32)
    logprobs = log_probabilities(logits).numpy()
    assert np.isfinite(logprobs).all()
    assert (logprobs <= 0).all() and (logprobs >= np.float32(-1e30)).all()
    for outputs in top_log_probabilities(logits, tf.constant([3])):
        assert np.isfinite(outputs.numpy()).all()


def test_a_broken_logit_leaves_the_others_their_probability():
    logits = tf.constant([[0, 1, np.nan, 2], [0, np.inf, 5, 1]], tf.float32)
    logprobs = log_probabilities(logits).numpy()
    expected = log_probabilities(tf.constant([[0.0, 1.0, 2.0]]))[0]
    np.testing.assert_allclose(logprobs[0, [0, 1, 3]], expected, rtol=1e-6)
    assert logprobs[0, 2] == np.float32(-1e30)
    assert logprobs[1].argmax() == 1 and logprobs[1, 1] == 0

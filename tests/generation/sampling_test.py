"""Tests of the sampling of tokens, against NumPy and statistics."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.sampling import PROCESSORS
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import sample
from gpt_keras.generation.sampling import uniforms
from gpt_keras.generation.settings import GenerationSettings

NEVER = -np.inf


def settings_of(batch_size, **values):
    """Settings as tensors, unchecked, as a served graph gets them."""
    defaults = dict(
        max_new_tokens=1, temperature=1, top_k=0, top_p=1, seed=0, overflow=0
    )
    dtypes = ("int32", "float32", "int32", "float32", "int64", "int32")
    return GenerationSettings(
        *(
            tf.constant(
                np.broadcast_to(values.get(name, default), [batch_size]), dtype
            )
            for (name, default), dtype in zip(
                defaults.items(), dtypes, strict=True
            )
        )
    )


def context_of(positions):
    positions = tf.constant(positions, tf.int32)
    ones = tf.ones_like(positions)
    return SamplingContext(positions, ones[:, None], ones, ones)


def draw(logits, position=0, **values):
    logits = tf.constant(logits, tf.float32)
    settings = settings_of(logits.shape[0], **values)
    positions = np.broadcast_to(position, logits.shape[:1])
    return sample(logits, settings, context_of(positions)).numpy()


def process(name, logits, **values):
    settings = settings_of(len(logits), **values)
    return PROCESSORS[name](tf.constant(logits), settings, None).numpy()


def random_logits(batch_size, vocab_size, seed=0, ties=False):
    logits = np.random.default_rng(seed).normal(size=(batch_size, vocab_size))
    logits = np.round(logits * 2) if ties else logits * 3
    return logits.astype("float32")


def numpy_top_k(logits, k):
    order = np.argsort(-logits, kind="stable")
    kept = np.full_like(logits, NEVER)
    kept[order[:k]] = logits[order[:k]]
    return kept


def numpy_top_p(logits, p):
    order = np.argsort(-logits, kind="stable")
    weights = np.exp(logits.astype("float64") - logits.max())
    sums = np.cumsum(weights[order]) / weights.sum()
    count = int(np.argmax(sums >= np.float32(p))) + 1
    return numpy_top_k(logits, count)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 2, 7, 49, 50, 51, 1000, 2**31 - 1])
def test_top_k_keeps_exactly_k(k, ties):
    logits = random_logits(4, 50, ties=ties)
    expected = [numpy_top_k(row, k) for row in logits]
    np.testing.assert_array_equal(process("top_k", logits, top_k=k), expected)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("p", [1e-9, 0.05, 0.3, 0.77, 0.9, 0.999])
def test_top_p_keeps_the_smallest_set(p, ties):
    for vocab_size in (1, 3, 50, 5000):
        logits = random_logits(3, vocab_size, seed=vocab_size, ties=ties)
        expected = [numpy_top_p(row, p) for row in logits]
        np.testing.assert_array_equal(
            process("top_p", logits, top_p=p), expected
        )


def test_top_p_reached_exactly_takes_no_more():
    logits = np.zeros((1, 4), "float32")
    kept = process("top_p", logits, top_p=0.5)
    np.testing.assert_array_equal(kept, [[0, 0, NEVER, NEVER]])


def test_filters_that_are_off_change_nothing():
    logits = random_logits(3, 50)
    np.testing.assert_array_equal(process("top_k", logits), logits)
    np.testing.assert_array_equal(process("top_p", logits), logits)


def test_each_row_has_its_own_filter():
    logits = random_logits(4, 50)
    kept = process("top_k", logits, top_k=[0, 1, 10, 60])
    assert np.isfinite(kept).sum(-1).tolist() == [50, 1, 10, 50]
    kept = process("top_p", logits, top_p=[1.0, 0.01, 0.5, 0.9])
    expected = [logits[0]]
    expected += map(numpy_top_p, logits[1:], (0.01, 0.5, 0.9))
    np.testing.assert_array_equal(kept, expected)


def test_temperature_scales_differences():
    logits = random_logits(3, 50)
    scaled = process("temperature", logits, temperature=[0.5, 1.0, 4.0])
    expected = logits / np.array([[0.5], [1.0], [4.0]], "float32")
    difference = scaled - expected
    np.testing.assert_allclose(
        difference, np.broadcast_to(difference[:, :1], (3, 50)), atol=1e-5
    )


def test_filters_compose_temperature_then_k_then_p():
    logits = random_logits(200, 50)
    drawn = set()
    for seed in range(20):
        tokens = draw(logits, temperature=2.0, top_k=8, top_p=0.6, seed=seed)
        drawn |= set(enumerate(tokens.tolist()))
    allowed = {
        (row, token)
        for row, values in enumerate(logits)
        for token in np.flatnonzero(
            np.isfinite(numpy_top_p(numpy_top_k(values / 2, 8), 0.6))
        )
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
    assert chi_squared(counts[[0, 1, 2, 4]], wanted) < 16.3  # p = 0.001


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
    for seed in range(10):
        tokens = draw(logits, seed=seed, **values)
        assert ((tokens >= 0) & (tokens < 4)).all()
        assert tokens[1] in (1, 3)
        assert tokens[4] == 0
        tokens = draw(logits, seed=seed, **{"temperature": np.inf, **values})
        assert ((tokens >= 0) & (tokens < 4)).all()


def test_an_empty_batch_stays_empty():
    assert draw(np.zeros((0, 5)), top_k=[], top_p=[]).shape == (0,)


def split_mix(state, index):
    """SplitMix64's output number `index`, in Python's integers."""
    mask = 2**64 - 1
    x = (state + (index + 1) * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def test_the_reference_generator_gives_the_published_numbers():
    # The first outputs for the seed 1234567 that implementations compare.
    assert [split_mix(1234567, n) for n in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_uniforms_are_split_mix_bits():
    seeds = [0, 1, -1, 2**63 - 1, -(2**63), 42, 42]
    positions = [0, 1, 2, 2**31 - 1, 5, 0, 1023]
    expected = [
        (split_mix(split_mix(seed % 2**64, 0), position) >> 40) / 2**24
        for seed, position in zip(seeds, positions, strict=True)
    ]
    actual = uniforms(
        tf.constant(seeds, tf.int64), tf.constant(positions, tf.int32)
    )
    np.testing.assert_array_equal(actual.numpy(), expected)


def test_uniforms_are_the_same_when_compiled():
    seeds = tf.range(1000, dtype=tf.int64) * 1_000_003
    positions = tf.range(1000)
    compiled = tf.function(uniforms, jit_compile=True)(seeds, positions)
    np.testing.assert_array_equal(compiled, uniforms(seeds, positions))


def chi_squared(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


def grid(seeds, positions):
    shape = np.broadcast_shapes(np.shape(seeds), np.shape(positions))
    seeds = np.broadcast_to(seeds, shape).astype("int64")
    positions = np.broadcast_to(positions, shape).astype("int32")
    return uniforms(tf.constant(seeds), tf.constant(positions)).numpy()


# 99 degrees of freedom: mean 99, standard deviation 14.1; p = 0.0001 at 161.
MOST = 161
COUNT = 100_000
MANY = np.arange(COUNT)


@pytest.mark.parametrize(
    "draws",
    [
        pytest.param(lambda: grid(0, MANY), id="positions"),
        pytest.param(lambda: grid(12345, MANY), id="positions of a seed"),
        pytest.param(lambda: grid(MANY, 0), id="seeds"),
        pytest.param(lambda: grid(MANY << 32, 17), id="high seeds"),
        pytest.param(lambda: grid(-MANY, MANY), id="both"),
    ],
)
def test_uniforms_are_uniform(draws):
    values = draws()
    assert values.dtype == np.float32
    assert values.min() >= 0 and values.max() < 1
    counts = np.bincount((values * 100).astype(int), minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST
    low_bits = (values * 2**24).astype(int) % 100
    counts = np.bincount(low_bits, minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST


@pytest.mark.parametrize(
    "first, second",
    [
        pytest.param((0, MANY), (0, MANY + 1), id="next position"),
        pytest.param((MANY, 0), (MANY + 1, 0), id="next seed"),
        pytest.param((MANY, 1), (MANY + 1, 0), id="both, opposite"),
        pytest.param((0, MANY), (1, MANY), id="two streams"),
        pytest.param((MANY, MANY), (MANY, MANY + 2), id="two further"),
    ],
)
def test_uniforms_are_independent(first, second):
    left, right = grid(*first), grid(*second)
    cells = (left * 10).astype(int) * 10 + (right * 10).astype(int)
    counts = np.bincount(cells, minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST
    assert abs(np.corrcoef(left, right)[0, 1]) < 4 / COUNT**0.5

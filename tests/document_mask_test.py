"""Tests of `GPTModel(document_separator_id=…)`: documents in one window.

The oracle is a model of the same weights that knows nothing of documents, and
reads each one alone.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.settings import make_settings
from gpt_keras.serving.quantization import quantized_copy

SEPARATOR = 3
LENGTH = 12
POSITIONS = {
    "sinusoidal": {},
    "learned": {"activation": "gelu", "tie_embeddings": True},
    "rotary": {"norm": "rms", "qk_norm": True, "use_bias": False},
}
# Lengths of documents that fill a window; the first one's head is cut off.
ROWS = [[4, 5, 3], [12], [1, 1, 6, 3, 1], [7, 5]]


def _ids():
    """Rows of documents, each but the first behind a separator."""
    rng = np.random.default_rng(0)
    ids = rng.integers(SEPARATOR + 1, 30, (len(ROWS), LENGTH)).astype("int32")
    for row, documents in zip(ids, ROWS, strict=True):
        row[np.cumsum(documents)[:-1]] = SEPARATOR
    ids[1, 0] = SEPARATOR  # a window that begins with a whole document
    return ids


IDS = _ids()
PLACES = [
    (row, slice(end - size, end))
    for row, documents in enumerate(ROWS)
    for size, end in zip(documents, np.cumsum(documents), strict=True)
]


def _pair(position="rotary", norm_order="pre", **options):
    """Returns a model that tells documents apart, and one that doesn't."""
    options = {"rate": 0.0, "num_layers": 2, **options}
    options |= {"position": position, "norm_order": norm_order}
    options |= {"initializer_stddev": 0.3, **POSITIONS[position]}
    models = []
    for separator in (SEPARATOR, None):
        keras.utils.set_random_seed(0)
        models.append(
            GPTModel(
                30,
                16,
                2,
                32,
                LENGTH,
                document_separator_id=separator,
                **options,
            )
        )
        models[-1].build((None, None))
    return models


@pytest.fixture(scope="module")
def pair():
    return _pair()


def _separate(model, ids=IDS):
    """Logits of each document alone, put where it stands in its window."""
    logits = np.zeros((*ids.shape, 30), "float32")
    for row, place in PLACES:
        logits[row, place] = model(ids[row : row + 1, place])[0]
    return logits


@pytest.mark.parametrize("norm_order", ["pre", "post"])
@pytest.mark.parametrize("position", POSITIONS)
def test_packed_documents_give_the_logits_of_separate_ones(
    position, norm_order
):
    model, plain = _pair(position, norm_order)
    packed, expected = np.array(model(IDS)), _separate(plain)
    np.testing.assert_allclose(packed, expected, atol=1e-5)
    assert np.abs(plain(IDS) - expected)[0, 4:].max() > 0.1


def test_in_an_int8_copy():
    model, plain = map(quantized_copy, _pair("learned"))
    packed, expected = np.array(model(IDS)), _separate(plain)
    np.testing.assert_allclose(packed, expected, atol=1e-5)


@pytest.mark.parametrize("position", POSITIONS)
def test_cached_equals_uncached(position):
    model, _ = _pair(position)
    expected = np.array(model(IDS))
    for sizes in ([1] * 12, [5, 1, 1, 5], [12]):
        cache, pieces, start = model.make_cache(len(IDS)), [], 0
        for size in sizes:
            ids = IDS[:, start : start + size]
            logits, cache = model.step(ids, cache)
            pieces.append(logits)
            start += size
        cached = np.concatenate(pieces, axis=1)
        np.testing.assert_allclose(cached, expected, atol=1e-5, err_msg=sizes)


def test_rows_of_different_lengths_share_a_cache(pair):
    """Padding is of separators, which begin nothing."""
    model, _ = pair
    expected = np.array(model(IDS))
    lengths = np.array([5, 1, 7, 8])
    mask = np.arange(9) < lengths[:, None]
    ids = np.where(mask, IDS[:, :9], SEPARATOR)
    first, cache = model.step(ids, model.make_cache(4), mask=mask)
    steps = [
        np.stack([IDS[i, n + k] for i, n in enumerate(lengths)])
        for k in range(4)
    ]
    for offset, tokens in enumerate(steps):
        # Rows that have ended read a separator that does not count.
        runs = np.array([True, True, True, offset < 2])
        tokens = np.where(runs, tokens, SEPARATOR)[:, None]
        logits, cache = model.step(tokens, cache, mask=runs[:, None])
        for row in np.flatnonzero(runs):
            np.testing.assert_allclose(
                logits[row, 0], expected[row, lengths[row] + offset], atol=1e-5
            )
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(
            first[row, :length], expected[row, :length], atol=1e-5
        )
    np.testing.assert_array_equal(cache[1].document_starts, [4, 0, 8, 7])


def test_batched_equals_single(pair):
    model, _ = pair
    expected = np.array(model(IDS))
    for row in range(len(IDS)):
        alone = model(IDS[row : row + 1])
        np.testing.assert_allclose(alone[0], expected[row], atol=1e-5)


def test_nothing_comes_from_later_tokens_or_other_documents(pair):
    model, _ = pair
    before = np.array(model(IDS))
    for row, place in PLACES:
        changed = IDS.copy()
        first = place.start + (IDS[row, place.start] == SEPARATOR)
        if first == place.stop:
            continue  # an empty document
        changed[row, first] += 1 if changed[row, first] < 29 else -1
        differs = (np.array(model(changed)) != before).any(-1)
        assert differs[row, first : place.stop].all()
        differs[row, first : place.stop] = False
        assert not differs.any()


def test_attention_stays_within_documents(pair):
    model, plain = pair
    weights = np.array(model.attention_weights(IDS))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    for row, place in PLACES:
        alone = plain.attention_weights(IDS[row : row + 1, place])
        inside = weights[:, row, :, place, place]
        np.testing.assert_allclose(inside, alone[:, 0], atol=1e-5)


def test_a_mask_hides_separators_too(pair):
    model, plain = pair
    mask = np.ones(IDS.shape, "bool")
    mask[0, 4] = mask[2, 2] = False
    logits = np.array(model(IDS, mask=mask))
    np.testing.assert_allclose(
        logits[0, :9], plain(IDS[:1, :9], mask=mask[:1, :9])[0], atol=1e-5
    )
    ends = np.arange(LENGTH) < 9
    padded = np.where(ends, IDS, SEPARATOR)
    logits = np.array(model(padded, mask=np.broadcast_to(ends, IDS.shape)))
    np.testing.assert_allclose(
        logits[:, :9], np.array(model(IDS))[:, :9], atol=1e-5
    )


def _gradients(model, ids, weights, jit_compile=False):
    def step(ids, weights):
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(
                ids[:, 1:], model(ids[:, :-1], training=True), from_logits=True
            )
            loss = tf.reduce_sum(losses * weights)
        found = tape.gradient(loss, model.trainable_weights)
        return [tf.convert_to_tensor(gradient) for gradient in found]

    if jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
    return step(tf.constant(ids), tf.constant(weights, tf.float32))


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_a_documents_gradients_are_those_of_it_alone(position):
    model, plain = _pair(position)
    place = slice(4, 9)  # the separator behind it is its last label
    weights = np.zeros((1, LENGTH - 1))
    weights[0, place] = 1
    packed = _gradients(model, IDS[:1], weights)
    alone = _gradients(plain, IDS[:1, 4:10], np.ones((1, 5)))
    for one, other in zip(packed, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)


def test_gradients_are_the_same_computed_again_and_compiled():
    model, _ = _pair()
    weights = np.ones((len(IDS), LENGTH - 1))
    expected = _gradients(model, IDS, weights)
    again = GPTModel.from_config(model.get_config() | {"remat": True})
    again.build((None, None))
    again.set_weights(model.get_weights())
    for one, other in zip(
        _gradients(again, IDS, weights, True), expected, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3)


def test_it_trains_on_the_loss_of_separate_documents():
    """Every label is in the document of the token before it."""
    model, plain = _pair(initializer_stddev=0.05)
    x, y = IDS, np.roll(IDS, -1, axis=1)
    weights = np.ones(IDS.shape, "float32")
    weights[:, -1] = 0
    log_p = np.array(tf.nn.log_softmax(_separate(plain)))
    losses = -np.take_along_axis(log_p, y[..., None], -1)[..., 0]
    model.compile("sgd", chunk_tokens=5, microbatches=2)
    loss = model.train_on_batch(x, y, sample_weight=weights)
    expected = (losses * weights).sum() / weights.sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_in_a_graph_of_any_length(pair):
    model, _ = pair
    graph = tf.function(
        lambda ids: model.hidden_states(ids)[0],
        input_signature=[tf.TensorSpec([None, None], "int32")],
        autograph=False,
    )
    for length in (1, 2, 7, LENGTH):
        np.testing.assert_allclose(
            graph(IDS[:, :length]),
            model.hidden_states(IDS[:, :length])[0],
            atol=1e-5,
        )


def test_in_16_bits():
    model, plain = _pair(dtype="mixed_bfloat16", initializer_stddev=0.05)
    np.testing.assert_allclose(model(IDS), _separate(plain), atol=0.05)


class _Tokenizer:
    vocab_size, end_of_text_id = 30, SEPARATOR

    def token_bytes(self, token_id):
        return bytes([64 + token_id])


def test_a_prompt_goes_on_from_its_last_document(pair):
    model, plain = pair
    settings = {"temperature": 0.0, "max_new_tokens": 4}
    lengths = np.array([6, 2, 7, 8])
    graph = tf.function(Decoder(model, _Tokenizer()).generate, autograph=False)
    whole = graph(
        tf.constant(IDS[:, :8]),
        tf.constant(lengths, tf.int32),
        make_settings(4, **settings),
    )
    decoder = Decoder(plain, _Tokenizer())
    for row, length in enumerate(lengths):
        start = max(
            place.start
            for index, place in PLACES
            if index == row and place.start < length
        )
        alone = decoder.generate(
            tf.constant(IDS[row : row + 1, start:length]),
            tf.constant([length - start], tf.int32),
            make_settings(1, **settings),
        )
        count = int(alone.lengths[0])
        assert whole.lengths[row] == count
        np.testing.assert_array_equal(
            whole.token_ids[row, :count], alone.token_ids[0, :count]
        )
    assert np.sum(whole.lengths) > 4


def test_without_it_a_window_is_one_document(pair, monkeypatch):
    _, plain = pair
    before = np.array(plain(IDS))
    monkeypatch.setattr("gpt_keras.model.document_starts", None)
    np.testing.assert_array_equal(plain(IDS), before)
    assert plain.make_cache(1)[0].document_starts == ()


def test_saved_and_loaded_is_equal(pair, tmp_path):
    model, _ = pair
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded(IDS), model(IDS))


@pytest.mark.parametrize("bad", [-1, 30, 2.0, True, "<|endoftext|>"])
def test_a_separator_that_is_no_token_is_named(bad):
    with pytest.raises(ValueError, match=r"\[0, vocab_size=30\).*Received"):
        GPTModel(30, 16, 2, 32, 12, num_layers=1, document_separator_id=bad)

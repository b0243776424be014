"""The loss of pairs: packed as apart, and of responses alone."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.data.document_batches import DocumentBatches
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.template import TEMPLATES
from gpt_keras.training.loss import weighted_token_losses

LENGTH = 24
NAMES = [x for t in TEMPLATES.values() for x in t.special_tokens]
TOKENIZER = CharacterTokenizer("abcdefgh", dict.fromkeys(NAMES))


@pytest.fixture(scope="module")
def split():
    """Prompts with responses, some of them conversations, as in a store."""
    rng = random.Random(0)

    def text():
        return "".join(rng.choices("abcdefgh", k=rng.randint(0, 3)))

    ids = []
    for number in range(40):
        template, fields = TEMPLATES["pair"], {"prompt": text()}
        if number % 2:
            messages = [text() for _ in range(rng.choice([1, 3]))]
            template, fields = TEMPLATES["chat"], {"messages": messages}
        ids += template.encode(TOKENIZER, fields)[1:]
        ids += [*TOKENIZER.encode(text()), TOKENIZER.end_of_text_id]
    return TokenSplit.from_array(
        np.array(ids),
        vocab_size=TOKENIZER.vocab_size,
        end_of_text_id=TOKENIZER.end_of_text_id,
    )


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = GPTModel(
        TOKENIZER.vocab_size,
        d_model=16,
        num_heads=2,
        dff=32,
        max_length=LENGTH,
        rate=0.0,
        num_layers=2,
        position="rotary",
        document_separator_id=TOKENIZER.end_of_text_id,
    )
    model.build((None, LENGTH))
    return model


def _batches(split, arrangement, **settings):
    batches = DocumentBatches(
        split,
        length=LENGTH,
        batch_size=4,
        arrangement=arrangement,
        loss=ResponseLoss.of(TOKENIZER),
        **settings,
    )
    return list(batches.epoch().as_numpy_iterator())


def _totals(model, batches):
    losses, weights = 0.0, 0.0
    for ids, labels, weight in batches:
        loss, _ = weighted_token_losses(model(ids), labels, weight)
        losses += float(tf.reduce_sum(loss))
        weights += float(weight.sum())
    return losses, weights


def test_packed_pairs_lose_what_they_lose_apart(split, model):
    packed = _batches(split, "best_fit")
    apart = _batches(split, "length_buckets", num_buckets=3)
    # Several pairs in a row there, one here.
    assert sum(map(len, (x[0] for x in packed))) < 40
    ends = TOKENIZER.end_of_text_id
    assert all((x[0][:, 1:] == ends).sum() == 0 for x in apart)
    losses, weights = zip(
        *(_totals(model, x) for x in (packed, apart)), strict=True
    )
    assert weights[0] == weights[1] > 100
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_what_is_predicted_of_a_prompt_has_no_gradient(split, model):
    """Other labels in prompts, and the states there, change nothing."""
    ids, labels, weights = _batches(split, "best_fit")[0]
    rng = np.random.default_rng(0)
    others = rng.integers(0, TOKENIZER.vocab_size, labels.shape)
    others = np.where(weights == 0, others, labels)
    assert (others != labels).sum() > 10

    def gradients(labels):
        with tf.GradientTape() as tape:
            logits = model(ids)
            tape.watch(logits)
            loss = tf.reduce_sum(
                weighted_token_losses(logits, labels, weights)[0]
            )
        return loss, tape.gradient(loss, logits).numpy()

    (loss, gradient), (other, same) = gradients(labels), gradients(others)
    assert loss.numpy() == other.numpy()
    np.testing.assert_array_equal(gradient, same)
    assert (gradient[weights == 0] == 0).all()
    assert (np.abs(gradient[weights == 1]).max(-1) > 0).all()

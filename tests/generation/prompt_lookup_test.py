"""Tests of guessing tokens from what stood before, alone and in decoding."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from generation_testing import END_OF_TEXT
from generation_testing import FakeModel
from generation_testing import FakeTokenizer
from generation_testing import gpt

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.policy import MAX_PROMPT_LOOKUP
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.prompt_lookup import look_up
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.watermark import Watermark


def _guess(tokens, limit, count, end):
    """Looks a row's last tokens up, the plain way."""
    for size in (3, 2):
        for place in range(len(tokens) - 2, size - 2, -1):
            if tokens[place + 1 - size : place + 1] == tokens[-size:]:
                rest = (tokens[place + 1 :] * count)[: min(count, limit)]
                return rest[: rest.index(end)] if end in rest else rest
    return []


def test_guesses_are_those_of_a_plain_search():
    rng = random.Random(0)
    rows = [
        [rng.randrange(3) for _ in range(rng.randint(1, 20))]
        for _ in range(300)
    ]
    limits = [rng.randrange(8) for _ in rows]
    width = max(map(len, rows)) + 3
    padded = [row + [1] * (width - len(row)) for row in rows]
    lengths = [*map(len, rows)]
    drafts = look_up(
        tf.constant(padded), tf.constant(lengths), tf.constant(limits), 6, 0
    )
    found = [
        ids[:length]
        for ids, length in zip(
            drafts.token_ids.numpy().tolist(),
            drafts.lengths.numpy(),
            strict=True,
        )
    ]
    expected = [
        _guess(row, limit, 6, 0)
        for row, limit in zip(rows, limits, strict=True)
    ]
    assert found == expected
    assert {len(guess) for guess in expected} == {*range(7)}


def _settings(rng, rows):
    def some(*values):
        return [rng.choice(values) for _ in range(rows)]

    return make_settings(
        rows,
        max_new_tokens=some(0, 9, 30, 30),
        temperature=some(0.0, 0.0, 0.3, 1.5),
        top_k=some(0, 2),
        repetition_penalty=some(1.0, 0.5, 1.5),
        no_repeat_ngram=some(0, 0, 4),
        stop=some([], [], [], ["bca"], ["c", "ab"]),
        banned=some([], ["aa"]),
        overflow=some("stop", "roll"),
        seed=[rng.randrange(99) for _ in range(rows)],
    )


def _decode(model, policy):
    decoder = Decoder(model, FakeTokenizer(), policy, details=True)
    return tf.function(
        decoder.generate,
        input_signature=(
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None], tf.int32),
            SETTINGS_SPEC,
        ),
        autograph=False,
    )


def _tiny(**switches):
    """Returns a model that seldom ends a text."""
    keras.utils.set_random_seed(1)
    model = gpt.__wrapped__(num_layers=1, **switches)
    model.final_layer.bias.assign([0.0] * END_OF_TEXT + [-4.0])
    return model


@pytest.mark.parametrize(
    ("model", "policy"),
    [
        (FakeModel(12, end_of_text_logit=-2.0), {}),
        (_tiny(position="learned"), {"repetition_guard": 3}),
        (
            _tiny(position="rotary", document_separator_id=END_OF_TEXT),
            {"watermark": Watermark(key=3), "banned": ("ca",)},
        ),
    ],
)
def test_texts_are_those_without_guesses(model, policy):
    plain = _decode(model, Policy(**policy))
    guessing = _decode(model, Policy(**policy, prompt_lookup=5))
    rng, longest = random.Random(0), 0
    for _ in range(4):
        rows = [
            [rng.randrange(10) for _ in range(rng.randrange(4))]
            * rng.randint(1, 6)
            for _ in range(9)
        ]
        width = max(map(len, rows))
        ids = tf.constant([row + [7] * (width - len(row)) for row in rows])
        arguments = ids, tf.constant([*map(len, rows)]), _settings(rng, 9)
        expected, found = plain(*arguments), guessing(*arguments)
        for name, value in expected._asdict().items():
            tf.nest.map_structure(
                lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
                value,
                getattr(found, name),
            )
        longest = max(longest, expected.lengths.numpy().max())
    assert longest > 20  # a window that is full rolls on


def test_a_text_that_repeats_itself_comes_in_few_steps():
    class Cycle(FakeModel):
        """Says 1 2 3 4 over and over."""

        def logits(self, hidden):
            return 9 * tf.one_hot(
                tf.cast(hidden[..., 0], tf.int32) % 4 + 1, self.vocab_size
            )

        def hidden_states(
            self, token_ids, cache=None, training=None, mask=None
        ):
            _, cache = super().hidden_states(token_ids, cache, training, mask)
            return tf.cast(token_ids, tf.float32)[..., None], cache

    model = Cycle(100)
    settings = make_settings(1, max_new_tokens=60, temperature=0)
    ids, lengths = tf.constant([[1, 2, 3, 4]]), tf.constant([4])
    for count, most in ((0, 20), (6, 90)):
        decoder = Decoder(model, FakeTokenizer(), Policy(prompt_lookup=count))
        state = decoder.start(ids, lengths, settings)
        state = decoder.advance(state, settings, max_steps=20)
        made = decoder.result(state)
        assert int(made.lengths[0]) == min(60, most)
        cycle = [1 + n % 4 for n in range(60)]
        assert made.token_ids.numpy()[0].tolist() == cycle[: made.lengths[0]]


def test_a_graph_may_know_how_many_rows_there_are():
    decoder = Decoder(FakeModel(12), FakeTokenizer(), Policy(prompt_lookup=3))
    generate = tf.function(decoder.generate, autograph=False)
    ids, lengths = tf.constant([[1, 2, 1, 2]]), tf.constant([4])
    settings = make_settings(1, max_new_tokens=5, temperature=0)
    settings = tf.nest.map_structure(tf.constant, settings)
    assert generate(ids, lengths, settings).lengths.shape == (1,)


def test_a_number_out_of_range_is_refused():
    for count in (-1, MAX_PROMPT_LOOKUP + 1):
        with pytest.raises(ValueError, match=f"prompt_lookup={count}"):
            Policy(prompt_lookup=count)

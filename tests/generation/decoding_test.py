"""Tests of decoding, against a plain loop that keeps no cache."""

import numpy as np
import pytest
import tensorflow as tf
from generation_testing import END_OF_TEXT
from generation_testing import VOCAB_SIZE
from generation_testing import FakeModel
from generation_testing import FakeTokenizer
from generation_testing import decode
from generation_testing import decode_eagerly
from generation_testing import fake
from generation_testing import gpt
from generation_testing import plain_loop
from generation_testing import row_settings
from generation_testing import rows_of

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.settings import make_settings


@pytest.fixture(scope="module", params=["fake", "gpt"])
def model(request):
    return fake() if request.param == "fake" else gpt(position="learned")


PROMPTS = [
    [1, 2, 3],
    [],
    [4],
    [5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6],  # 4 more fill the model
    [1, 2, 3],
    list(np.arange(15) % 10),  # room for one
    list(np.arange(16) % 10),  # one too many
    list(np.arange(50) % 10),
    [END_OF_TEXT, 3],
    [2, 2],
]


def mixed_settings(**values):
    mixed = dict(
        max_new_tokens=[9, 20, 0, 20, 9, 20, 20, 40, 1, 60],
        temperature=[0, 1, 1, 0.7, 1, 1, 0, 1, 1, 1.5],
        top_k=[0, 0, 0, 5, 3, 0, 0, 0, 0, 0],
        top_p=[1, 1, 1, 0.9, 1, 0.8, 1, 1, 1, 0.95],
        seed=np.arange(10) * 3,
        overflow=["stop"] * 7 + ["roll"] * 3,
        min_p=[0, 0, 0, 0, 0.1, 0, 0, 0.05, 0, 0],
        repetition_penalty=[1, 1, 1, 1.5, 1, 1, 1.2, 1, 1, 1.1],
        frequency_penalty=[0, 0.5, 0, 0, 0, 0, 0.3, 0, 0, 0.2],
        presence_penalty=[0.7, 0, 0, 0, 0, 0, 0.3, 0, 0, 0],
        no_repeat_ngram=[0, 0, 0, 2, 0, 0, 3, 3, 0, 0],
    )
    return make_settings(len(PROMPTS), **(mixed | values))


@pytest.mark.parametrize("overflow", ["stop", "roll"])
def test_greedy_equals_the_loop_without_a_cache(model, overflow):
    settings = mixed_settings(temperature=0, overflow=overflow)
    expected = [
        plain_loop(model, prompt, row_settings(settings, row))
        for row, prompt in enumerate(PROMPTS)
    ]
    assert rows_of(decode(model, PROMPTS, settings)) == expected


@pytest.mark.parametrize("seed", [0, 100])
def test_a_mixed_batch_equals_the_loop_of_each_row(model, seed):
    settings = mixed_settings(seed=seed + np.arange(10))
    expected = [
        plain_loop(model, prompt, row_settings(settings, row))
        for row, prompt in enumerate(PROMPTS)
    ]
    assert rows_of(decode(model, PROMPTS, settings)) == expected


def test_every_way_to_finish_occurs():
    settings = mixed_settings()
    reasons = [
        reason for *_, reason in rows_of(decode(fake(), PROMPTS, settings))
    ]
    assert set(reasons) == {"stop", "length", "max_length"}


def test_a_row_alone_is_the_row_in_a_batch(model):
    settings = mixed_settings()
    together = rows_of(decode(model, PROMPTS, settings))
    for row, prompt in enumerate(PROMPTS):
        alone = decode(model, [prompt], row_settings(settings, row))
        assert rows_of(alone) == together[row : row + 1]


def test_what_pads_the_prompts_does_not_matter(model):
    settings = mixed_settings()
    results = [
        rows_of(decode(model, PROMPTS, settings, padding=padding))
        for padding in (0, END_OF_TEXT)
    ]
    assert results[0] == results[1]


def test_rolling_goes_on_for_many_windows():
    for max_length in (2, 3, 5):
        model = fake(max_length, end_of_text_logit=-20.0)
        settings = make_settings(
            3, max_new_tokens=[60, 75, 3], overflow="roll", seed=[1, 2, 3]
        )
        prompts = [[1], [4, 5, 6, 7, 8], []]
        generated = rows_of(decode(model, prompts, settings))
        assert generated == [
            plain_loop(model, prompt, row_settings(settings, row))
            for row, prompt in enumerate(prompts)
        ]
        assert [len(ids) for ids, *_ in generated] == [60, 75, 3]


def test_rolling_and_stopping_rows_share_a_batch():
    model = fake(end_of_text_logit=-20.0)
    settings = make_settings(
        2, max_new_tokens=50, overflow=["stop", "roll"], seed=5
    )
    (stopped, _, reason), (rolled, _, other) = rows_of(
        decode(model, [[1, 2]] * 2, settings)
    )
    assert (reason, len(stopped)) == ("max_length", 14)
    assert (other, len(rolled)) == ("length", 50)
    assert rolled[:14] == stopped


def test_prompt_and_completion_fit_into_the_model():
    model = fake(end_of_text_logit=-20.0)
    prompts = [[1] * n for n in (1, 14, 15, 16, 40)]
    generated = decode(model, prompts, make_settings(5, max_new_tokens=99))
    assert generated.lengths.numpy().tolist() == [15, 2, 1, 1, 1]
    assert generated.prompt_truncated.numpy().tolist() == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_the_end_of_a_long_prompt_is_kept():
    long = list(np.random.default_rng(0).integers(0, 10, 40))
    settings = make_settings(2, max_new_tokens=1, temperature=0)
    (first, *_), (second, *_) = rows_of(
        decode(fake(), [long, long[-15:]], settings)
    )
    assert first == second


def test_continuing_a_completion_gives_what_would_have_come():
    model = fake(max_length=64, end_of_text_logit=-20.0)
    prompt = [3, 1, 4]
    whole = decode(model, [prompt], make_settings(1, max_new_tokens=30, seed=9))
    (whole, *_), *_ = rows_of(whole)
    settings = make_settings(1, max_new_tokens=18, seed=9)
    (rest, *_), *_ = rows_of(decode(model, [prompt + whole[:12]], settings))
    assert whole == whole[:12] + rest


def test_the_end_of_text_is_not_part_of_the_completion():
    model = fake(end_of_text_logit=50.0)
    generated = decode(model, [[1], [2, 3]], make_settings(2))
    assert rows_of(generated) == [([], b"", "stop")] * 2


def test_no_new_tokens():
    generated = decode(fake(), [[1], []], make_settings(2, max_new_tokens=0))
    assert rows_of(generated) == [([], b"", "length")] * 2


def test_an_empty_batch():
    generated = decode(fake(), [], make_settings(0))
    assert rows_of(generated) == []
    generated = decode(gpt(position="learned"), [], make_settings(0))
    assert rows_of(generated) == []


def test_unused_places_hold_the_end_of_text():
    settings = make_settings(2, max_new_tokens=[2, 5], overflow="roll")
    model = fake(end_of_text_logit=-20.0)
    generated = decode(model, [[1], [2]], settings)
    assert generated.token_ids.shape == (2, 5)
    assert generated.token_ids[0, 2:].numpy().tolist() == [END_OF_TEXT] * 3


def test_the_padding_of_a_vocabulary_is_never_drawn():
    tokenizer = FakeTokenizer()
    tokenizer.vocab_size, tokenizer.end_of_text_id = 4, 3
    decoder = Decoder(fake(), tokenizer)
    settings = make_settings(50, seed=range(50), temperature=3.0)
    prompts = np.ones((50, 2), np.int32)
    generated = decoder.generate(prompts, np.full(50, 2, np.int32), settings)
    assert set(np.unique(generated.token_ids)) == {0, 1, 2, 3}


def test_nan_in_one_row_leaves_the_others_alone():
    class Broken(FakeModel):
        def logits(self, hidden):
            logits = super().logits(hidden)
            is_first = tf.range(tf.shape(logits)[0]) == 0
            return tf.where(is_first[:, None], np.nan, logits)

    settings = make_settings(3, max_new_tokens=9, top_k=[2, 0, 3], top_p=0.9)
    prompts = [[1], [2], [3]]
    broken = decode(Broken(), prompts, settings)
    sound = decode(fake(), prompts, settings)
    assert rows_of(broken)[1:] == rows_of(sound)[1:]
    assert (broken.token_ids[0].numpy() < VOCAB_SIZE).all()
    assert (broken.token_ids[0].numpy() >= 0).all()


def test_eager_and_graph_agree():
    settings = mixed_settings()
    eager = decode_eagerly(fake(), PROMPTS, settings)
    assert rows_of(eager) == rows_of(decode(fake(), PROMPTS, settings))


def test_steps_can_be_taken_one_by_one():
    settings = tf.nest.map_structure(tf.constant, mixed_settings())
    decoder = Decoder(fake(), FakeTokenizer())
    ids = tf.constant([prompt[:1] or [0] for prompt in PROMPTS])
    lengths = tf.constant([min(len(prompt), 1) for prompt in PROMPTS])
    state = decoder.start(ids, lengths, settings)
    while (state.finish_reasons.numpy() == 0).any():
        before = state.lengths.numpy()
        state = decoder.advance(state, settings, max_steps=1)
        assert (state.lengths.numpy() - before <= 1).all()
    whole = decoder.generate(ids, lengths, settings)
    assert rows_of(decoder.result(state)) == rows_of(whole)


def test_short_requests_get_a_short_cache():
    sizes = []

    class Recording(FakeModel):
        def make_cache(self, batch_size, max_length=None):
            sizes.append(int(max_length))
            return super().make_cache(batch_size, max_length)

    model = Recording(max_length=1024)
    settings = make_settings(2, max_new_tokens=[4, 9])
    decode_eagerly(model, [[1, 2, 3], [1]], settings)
    assert sizes == [0, 12]  # before and after the prompts are read


def test_bfloat16_model():
    model = gpt(dtype="mixed_bfloat16")
    settings = mixed_settings()
    generated = decode(model, PROMPTS, settings)
    limits = [9, 16, 0, 4, 9, 1, 1, 40, 1, 60]
    assert (generated.lengths.numpy() <= limits).all()


def test_a_model_must_have_room_for_a_prompt_and_a_token():
    with pytest.raises(ValueError, match="max_length=1"):
        Decoder(fake(max_length=1), FakeTokenizer())

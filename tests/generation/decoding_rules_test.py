"""Tests of decoding under stop texts, banned texts and a policy."""

import numpy as np
import pytest
import tensorflow as tf
from generation_testing import END_OF_TEXT
from generation_testing import TOKENS
from generation_testing import VOCAB_SIZE
from generation_testing import FakeModel
from generation_testing import FakeTokenizer
from generation_testing import decode
from generation_testing import decode_eagerly
from generation_testing import fake
from generation_testing import plain_loop
from generation_testing import row_settings
from generation_testing import rows_of
from generation_testing import spell

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import green_tokens

ROWS = 40
STOPS = [[], ["ab"], ["bc", "abc"], ["猫"], ["aaa", "cc"], ["cab"], ["bb", "b"]]
BANS = [[], ["a"], ["bab", "cc"], ["猫"], ["abab"], ["ca", "ac", "bb"]]


def random_rows(seed):
    random = np.random.default_rng(seed)
    prompts = [random.integers(0, 10, n).tolist() for n in range(ROWS)]
    settings = make_settings(
        ROWS,
        max_new_tokens=random.integers(0, 40, ROWS),
        seed=random.integers(0, 1000, ROWS),
        stop=[STOPS[n] for n in random.integers(0, len(STOPS), ROWS)],
        banned=[BANS[n] for n in random.integers(0, len(BANS), ROWS)],
        overflow=random.choice(["stop", "roll"], ROWS),
        temperature=random.choice([0.0, 1.0, 2.0], ROWS),
        frequency_penalty=random.choice([0.0, 0.1], ROWS),
    )
    return prompts, settings


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "policy", [Policy(), Policy(banned=("abc", "猫"), repetition_guard=3)]
)
def test_stop_and_banned_texts_equal_the_plain_loop(policy, seed):
    model = fake(24, end_of_text_logit=-3.0)
    prompts, settings = random_rows(seed)
    rows = rows_of(decode(model, prompts, settings, policy=policy))
    for row, prompt in enumerate(prompts):
        settings_of_row = row_settings(settings, row)
        assert rows[row] == plain_loop(model, prompt, settings_of_row, policy)


def test_a_row_alone_is_the_row_in_a_batch():
    model = fake(24, end_of_text_logit=-3.0)
    prompts, settings = random_rows(7)
    together = rows_of(decode(model, prompts, settings))
    for row, prompt in enumerate(prompts):
        alone = decode(model, [prompt], row_settings(settings, row))
        assert rows_of(alone) == together[row : row + 1]


class Script(FakeModel):
    """Writes given tokens, then the end of text."""

    def __init__(self, *tokens):
        super().__init__(max_length=64)
        self.tokens = [*tokens, END_OF_TEXT]

    def hidden_states(self, token_ids, cache=None, training=None, mask=None):
        _, cache = super().hidden_states(token_ids, cache, training, mask)
        length = tf.shape(token_ids)[1]
        places = cache.lengths[:, None] - length + tf.range(length)
        return tf.cast(places, tf.float32)[..., None], cache

    def logits(self, hidden):
        places = tf.cast(hidden[..., 0], tf.int32)
        places = tf.clip_by_value(places, 0, len(self.tokens) - 1)
        return 9 * tf.one_hot(tf.gather(self.tokens, places), VOCAB_SIZE)


def write(*tokens, **settings):
    """Has one row write tokens after the prompt `c`."""
    settings = make_settings(1, temperature=0, **settings)
    generated = decode_eagerly(Script(*tokens), [[4]], settings)
    return rows_of(generated)[0]


def test_a_stop_text_across_tokens_is_cut_off():
    assert write(0, 1, 4, 0) == ([0, 1, 4, 0], b"abca", "stop")
    assert write(0, 1, 4, 0, stop="bc") == ([0], b"a", "stop")
    # It begins within a token: that one is kept, its text only in part.
    assert write(0, 2, 4, 0, stop="bc") == ([0, 2], b"aa", "stop")
    assert write(5, 1, stop="bca") == ([], b"", "stop")


def test_of_stop_texts_the_one_that_ends_first_counts():
    assert write(2, 4, stop=["abc", "b"])[1] == b"a"
    assert write(2, 4, stop=["abcd", "c"])[1] == b"ab"
    assert write(0, 1, 4, stop=["bc", "abc"])[1] == b""


def test_a_stop_text_that_the_prompt_begins_is_none():
    assert write(0, 1, stop="ca")[1] == b"ab"


def test_the_stop_comes_before_the_other_reasons():
    assert write(0, 1, stop="b", max_new_tokens=2) == ([0], b"a", "stop")


def test_what_may_become_a_stop_text_is_held_back():
    decoder = Decoder(Script(0, 1, 4, 1, 4, 0), FakeTokenizer())
    settings = make_settings(1, temperature=0, stop=["bcbb", "bca"])
    settings = tf.nest.map_structure(tf.constant, settings)
    state = decoder.start(tf.constant([[4]]), tf.constant([1]), settings)
    seen = []
    while True:
        made = decoder.result(state)
        seen.append(rows_of(made)[0][1])
        if made.finish_reasons[0] > 0:
            break
        state = decoder.advance(state, settings, 1)
    # nothing, a, a(b, a(bc, a(bcb, abc(bc, abc
    assert seen == [b"", b"a", b"a", b"a", b"a", b"abc", b"abc"]


def test_a_banned_text_that_the_prompt_begins_is_not_completed():
    assert write(0, 1, banned="ca")[0][0] != 0
    assert write(1, 0, banned="ca")[0] == [1, 0]


def test_the_last_allowed_token_is_the_end_of_text():
    everything = sorted({token for token in TOKENS if token})
    texts = ["a", "b", "c"]
    ids, text, reason = write(0, 1, 4, banned=texts, max_new_tokens=30)
    assert not any(letter.encode() in text for letter in texts)
    banned = tuple(t.decode() for t in everything if t.isascii())
    model = fake(24, end_of_text_logit=-9.0)
    settings = make_settings(
        8, temperature=3.0, seed=range(8), max_new_tokens=9
    )
    generated = decode(model, [[0]] * 8, settings, policy=Policy(banned=banned))
    for ids, _, _ in rows_of(generated):
        assert set(ids) <= {6, 7, 9}


def test_the_guard_ends_a_row_that_goes_round_in_circles():
    policy = Policy(repetition_guard=4)
    settings = make_settings(1, temperature=0)

    def reason(*tokens):
        made = decode_eagerly(Script(*tokens), [[4]], settings, policy)
        return len(rows_of(made)[0][0]), rows_of(made)[0][2]

    assert reason(*[0] * 30) == (16, "repetition")
    assert reason(*[0] * 15) == (15, "stop")
    assert reason(*[0, 1, 2] * 6) == (16, "repetition")
    assert reason(*[0, 1, 2, 3, 4, 5] * 5) == (24, "repetition")
    assert reason(1, 1, *[0, 1, 2, 3, 4, 5] * 5) == (26, "repetition")
    assert reason(*[0, 1, 2, 3, 4, 5] * 3) == (18, "stop")


def test_details_are_the_model_s_own_probabilities():
    model = fake(24, end_of_text_logit=-3.0)
    prompts, settings = random_rows(3)
    generated = decode(model, prompts, settings)
    columns = tf.nest.map_structure(lambda x: x.numpy(), generated)
    for row, prompt in enumerate(prompts):
        window = list(prompt[-23:]) or [END_OF_TEXT]
        new = columns.token_ids[row][: columns.lengths[row]].tolist()
        if len(window) + len(new) > 24:
            continue  # rolled on
        for place, token in enumerate(new):
            ids = tf.constant([window + new[:place]])
            mask = tf.ones_like(ids, bool)
            hidden, _ = model.hidden_states(ids, model.make_cache(1), mask=mask)
            expected = tf.nn.log_softmax(model.logits(hidden[:, -1]))[0].numpy()
            details = [values[row, place] for values in columns.details]
            logprob, top_ids, top_logprobs = details
            assert logprob == pytest.approx(expected[token], abs=1e-5)
            order = np.argsort(-expected, kind="stable")[: len(top_ids)]
            assert top_ids.tolist() == order.tolist()
            np.testing.assert_allclose(top_logprobs, expected[order], atol=1e-5)
        assert not columns.details.logprobs[row][len(new) :].any()


def test_a_seed_of_minus_one_is_drawn_and_told():
    model = fake(32, end_of_text_logit=-9.0)
    settings = make_settings(60, max_new_tokens=20, seed=[-1] * 50 + [5] * 10)
    generated = decode(model, [[1]] * 60, settings)
    seeds = generated.seeds.numpy()
    assert len(set(seeds[:50].tolist())) == 50
    assert (seeds[:50] >= 0).all() and (seeds[:50] < 2**53).all()
    assert seeds[50:].tolist() == [5] * 10
    again = decode(model, [[1]] * 60, settings._replace(seed=seeds))
    assert rows_of(again) == rows_of(generated)
    assert len({spell(ids) for ids, _, _ in rows_of(generated)[:50]}) > 25
    other = decode(model, [[1]] * 60, settings)
    assert set(other.seeds.numpy()[:50]).isdisjoint(seeds[:50])


def test_a_watermark_prefers_green_tokens():
    watermark = Watermark(key=3, strength=8.0, share=0.5)
    model = fake(64, end_of_text_logit=-9.0)
    settings = make_settings(20, max_new_tokens=40, seed=range(20))

    def share(policy):
        rows = rows_of(decode(model, [[1]] * 20, settings, policy=policy))
        pairs = [
            pair
            for ids, *_ in rows
            for pair in zip([1, *ids], ids, strict=False)
        ]
        before, tokens = np.array(pairs).T
        green = green_tokens(watermark, tf.constant(before), VOCAB_SIZE)
        return green.numpy()[np.arange(len(tokens)), tokens].mean()

    assert share(Policy(watermark=watermark)) > share(Policy()) + 0.2

"""Tests of the beam search with models, their caches and the rules of text."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from beam_testing import STOP
from beam_testing import plain_search
from generation_testing import END_OF_TEXT
from generation_testing import TOKENS
from generation_testing import VOCAB_SIZE
from generation_testing import FakeTokenizer
from generation_testing import begun_before
from generation_testing import cut_at
from generation_testing import decode
from generation_testing import fake
from generation_testing import gpt
from generation_testing import is_loop
from generation_testing import plain_loop
from generation_testing import row_settings
from generation_testing import spell
from generation_testing import uncached

from gpt_keras.generation.beam_decoding import BeamDecoder
from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.beam_settings import make_beam_settings
from gpt_keras.generation.decoding_state import FINISH_REASONS
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.sampling import RULES
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import process_logits
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import green_tokens

STRICT = Policy(banned=("abc", "猫"), repetition_guard=3)
PROMPTS = [[1, 2, 3], [], [4] * 20, [5, 6], [*range(10), 3], [8]]
# Each row with other rules.
ROWS = dict(
    max_new_tokens=[9, 40, 5, 0, 7, 12],
    repetition_penalty=[1.0, 1.3, 1.0, 1.0, 0.7, 1.0],
    frequency_penalty=[0.0, 0.0, 0.0, 0.0, 0.4, -1.0],
    presence_penalty=[0.0, 0.2, 0.0, 0.0, 0.0, -2.0],
    no_repeat_ngram=[0, 2, 0, 0, 3, 0],
    stop=[["ca"], [], ["aa", "b"], [], ["猫", "bab"], []],
    banned=[[], ["ab"], [], [], ["ba", "c"], []],
)


@functools.cache
def compiled(model, policy=NO_POLICY):
    return tf.function(
        BeamDecoder(model, FakeTokenizer(), policy).search,
        input_signature=[
            tf.TensorSpec([None, None], "int32"),
            tf.TensorSpec([None], "int32"),
            SETTINGS_SPEC,
            BEAM_SPEC,
        ],
        autograph=False,
    )


def search_eagerly(model, prompts, settings, policy=NO_POLICY):
    decoder = BeamDecoder(model, FakeTokenizer(), policy)
    found = decode(
        model, prompts, settings[0], lambda *x: decoder.search(*x, settings[1])
    )
    columns = tf.nest.map_structure(np.asarray, found)
    return [_row(columns, row) for row in range(len(prompts))]


def search(model, prompts, settings, policy=NO_POLICY):
    """Of each row its hypotheses: score, sum, token ids, text, reason."""
    function = compiled(model, policy)
    found = decode(
        model, prompts, settings[0], lambda *x: function(*x, settings[1])
    )
    columns = tf.nest.map_structure(lambda x: x.numpy(), found)
    return [_row(columns, row) for row in range(len(prompts))]


def _row(columns, row):
    hypotheses = []
    for beam in np.flatnonzero(columns.scores[row] > -np.inf):
        length = columns.lengths[row, beam]
        ids = columns.token_ids[row, beam]
        assert (ids[length:] == END_OF_TEXT).all()
        ids = ids[:length].tolist()
        text = spell(ids)[: columns.text_lengths[row, beam]]
        reason = FINISH_REASONS[columns.finish_reasons[row, beam]]
        numbers = columns.scores[row, beam], columns.log_probs[row, beam]
        hypotheses.append((*numbers, ids, text, reason))
    return hypotheses


@tf.function(reduce_retracing=True, autograph=False)
def rule_log_probs(logits, settings, ids, start, is_banned):
    context = SamplingContext(
        positions=None,
        token_ids=ids,
        lengths=tf.shape(ids)[1:],
        context_lengths=start,
        end_of_text_id=END_OF_TEXT,
        is_banned=is_banned,
    )
    return tf.nn.log_softmax(process_logits(logits, settings, context, RULES))


def plain(model, prompt, settings, policy=NO_POLICY):
    """One row without a cache, text by text."""
    context = list(prompt[-(model.max_length - 1) :]) or [END_OF_TEXT]
    one, beams = settings
    stops, banned = (
        [text for text in joined[0].encode().split(b"\x1f") if text]
        for joined in (one.stop, one.banned)
    )
    banned += [text.encode() for text in policy.banned]
    asked, room = one.max_new_tokens[0], model.max_length - len(context)

    def follow(tokens):
        ids = np.array([[*context, *tokens]], np.int32)
        text = spell(ids[0])
        is_banned = [_completes(text, token, banned) for token in TOKENS]
        log_probs = rule_log_probs(
            uncached(model)(ids),
            one,
            ids,
            np.array([len(context)], np.int32),
            np.array([is_banned]),
        )[0].numpy()
        for token in range(VOCAB_SIZE):
            new = [*tokens, token]
            reason = ""
            if cut_at(spell(new), spell(tokens), stops):
                reason = "stop"
            elif is_loop(new, policy.repetition_guard):
                reason = "repetition"
            yield float(log_probs[token]), reason

    names = {STOP: "stop", "limit": "length" if asked <= room else "max_length"}
    for one_of_them in plain_search(
        follow,
        beams.num_beams[0],
        beams.length_penalty[0],
        min(asked, room),
        END_OF_TEXT,
    ):
        score, total, ids, reason = one_of_them
        text, ids = spell(ids), list(ids)
        if reason == "stop" and (cut := cut_at(text, spell(ids[:-1]), stops)):
            (text,) = cut
            ids = [*begun_before(ids, len(text))]
        yield score, total, ids, text, names.get(reason, reason)


def _completes(text, token, banned):
    begins = [max(0, len(text) - len(one) + 1) for one in banned]
    pairs = zip(banned, begins, strict=True)
    return any((text + token).find(one, begin) >= 0 for one, begin in pairs)


def settings_row(settings, row):
    values, beams = settings
    return row_settings(values, row), BeamSettings(
        *(value[row : row + 1] for value in beams)
    )


def assert_equal(found, expected):
    assert [x[2:] for x in found] == [x[2:] for x in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[:2] == pytest.approx(theirs[:2], abs=1e-4)


def documents():
    keras.utils.set_random_seed(1)  # what ends where depends on the weights
    return gpt(position="rotary", document_separator_id=END_OF_TEXT)


@pytest.fixture(scope="module", params=["strict hashes", "documents"])
def model_and_policy(request):
    if request.param == "documents":
        return documents(), NO_POLICY
    return fake(end_of_text_logit=-1.0), STRICT


def test_one_beam_is_greedy_decoding(model_and_policy):
    model, policy = model_and_policy
    prompts = PROMPTS * 2
    rows = {name: value * 2 for name, value in ROWS.items()}
    penalties = [0.0] * 6 + [2.0, 0.6, -1.0] * 2
    settings = make_beam_settings(12, 1, penalties, **rows)
    found = search(model, prompts, settings, policy)
    greedy = settings[0]._replace(temperature=np.zeros(12, np.float32))
    expected = [
        plain_loop(model, prompt, row_settings(greedy, row), policy)
        for row, prompt in enumerate(prompts)
    ]
    assert [[x[2:] for x in row] for row in found] == [[x] for x in expected]
    assert {reason for _, _, reason in expected} >= {"stop", "length"}


def test_a_plain_search_without_a_cache_finds_the_same(model_and_policy):
    model, policy = model_and_policy
    penalties = [0.6, 0.0, 1.0, 0.6, -0.5, 2.0]
    settings = make_beam_settings(6, [4, 3, 2, 3, 4, 2], penalties, **ROWS)
    found = search(model, PROMPTS, settings, policy)
    for row, prompt in enumerate(PROMPTS):
        one = settings_row(settings, row)
        assert_equal(found[row], [*plain(model, prompt, one, policy)])
    assert "max_length" in {x[-1] for row in found for x in row}


def test_the_guard_ends_a_hypothesis_that_repeats_itself():
    class Circle:
        max_length, vocab_size = 40, VOCAB_SIZE

        def make_cache(self, batch_size, max_length):
            return (tf.zeros([batch_size]),)

        def hidden_states(self, token_ids, cache, training, mask):
            return tf.cast(token_ids, tf.float32)[:, :, None], cache

        def logits(self, hidden):
            after = tf.cast(hidden[:, 0] == 0, tf.int32)  # 0 and 1 in turn
            return 20 * tf.one_hot(after, VOCAB_SIZE)

    policy = Policy(repetition_guard=3)
    settings = make_beam_settings(1, 2, 0.0, max_new_tokens=39)
    ((best, _),) = search_eagerly(Circle(), [[0]], settings, policy)
    assert best[2] == [1, 0] * 8 and best[-1] == "repetition"


def test_a_watermark_marks_the_hypotheses():
    watermark = Watermark(key=5, strength=100.0, share=0.5)
    policy = Policy(watermark=watermark)
    settings = make_beam_settings(2, 2, 0.0, max_new_tokens=6)
    for row in search_eagerly(fake(16, -200.0), [[1], [2]], settings, policy):
        for _, log_prob, ids, _, _ in row:
            before = tf.constant(ids[:-1])
            green = green_tokens(watermark, before, VOCAB_SIZE).numpy()
            assert green[range(5), ids[1:]].all() and len(ids) == 6
            assert log_prob > -40


def test_a_row_is_the_same_alone_and_among_wider_ones():
    model = documents()
    settings = make_beam_settings(6, [1, 4, 2, 3, 5, 8], **ROWS)
    together = search(model, PROMPTS, settings)
    for row, prompt in enumerate(PROMPTS):
        alone = search(model, [prompt], settings_row(settings, row))
        assert_equal(together[row], alone[0])
        assert len(together[row]) <= settings[1].num_beams[row]


def test_settings_and_shapes_never_retrace():
    for beams in (1, 3):
        settings = make_beam_settings(beams, beams, max_new_tokens=beams)
        search(documents(), [[1] * beams] * beams, settings)
    function = compiled(documents(), NO_POLICY)
    assert function.experimental_get_tracing_count() == 1


def test_the_prompt_is_read_once_for_all_beams():
    sizes = []

    class Watched:
        vocab_size, max_length = VOCAB_SIZE, 16

        def __getattr__(self, name):
            return getattr(fake(), name)

        def hidden_states(self, token_ids, *arguments, **keywords):
            sizes.append(tuple(token_ids.shape))
            return fake().hidden_states(token_ids, *arguments, **keywords)

    settings = make_beam_settings(2, 5, max_new_tokens=3)
    search_eagerly(Watched(), [[1, 2, 3, 4], [5, 6, 7, 8]], settings)
    assert sizes[0] == (2, 4) and set(sizes[1:]) == {(10, 1)}
    assert len(sizes) <= 4

"""Tests of the beam search as text: every row is judged for itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.beam_completion import BeamCompleter
from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.beam_settings import make_beam_settings
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.redaction import redact
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import make_settings
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer

LIMITS = dict(max_prompt_bytes=20, max_new_tokens=9, max_beams=4)
CAREFUL = Policy(refuse=("猫",), refusal_text="No.", **LIMITS)
TOKENIZER = CharacterTokenizer("abcdefg 猫@.")


@pytest.fixture(scope="module")
def complete():
    keras.utils.set_random_seed(3)
    model = GPTModel(
        TOKENIZER.vocab_size, 16, 2, 32, 32, num_layers=1, initializer_stddev=1
    )
    model(np.zeros((1, 1), np.int32))
    functions = {}

    def run(policy, prompts, settings, beams):
        if policy not in functions:
            functions[policy] = tf.function(
                BeamCompleter(model, TOKENIZER, policy).complete,
                input_signature=(
                    tf.TensorSpec([None], tf.string),
                    SETTINGS_SPEC,
                    BEAM_SPEC,
                ),
                autograph=False,
            )
        found = functions[policy](tf.constant(prompts), settings, beams)
        return tf.nest.map_structure(lambda x: x.numpy(), found)

    return run


def test_a_bad_row_is_told_and_its_neighbours_are_answered(complete):
    prompts = ["abc", *["a"] * 5, "x" * 21, "a 猫", "abc"]
    beams = BeamSettings(
        np.array([3, 0, 5, 2, 2, 2, 2, 4, 3], np.int32),
        np.float32([0.6, 0.6, 0.6, np.nan, -11, 0.6, 0.6, 0.6, 0.6]),
    )
    asked = [9] * 5 + [10] + [9] * 3
    settings = make_settings(9, max_new_tokens=asked)
    found = complete(CAREFUL, prompts, settings, beams)
    names = [x.decode().split("`")[1] if x else "" for x in found.errors]
    assert names == [
        "",
        "num_beams",
        "num_beams",
        "length_penalty",
        "length_penalty",
        "max_new_tokens",
        "prompts",
        "",
        "",
    ]
    assert found.errors[2].decode() == (
        "`num_beams` must be an integer from 1 to 4. Received: 5"
    )
    assert found.counts.tolist() == [3, 0, 0, 0, 0, 0, 0, 1, 3]
    for values in (found.texts, found.texts_bytes, found.finish_reasons):
        assert not any(values[1:7].ravel().tolist())
    for values in (found.scores, found.log_probs, found.lengths):
        assert not values[1:7].any()
    assert found.texts[7, 0] == b"No." and found.lengths[7, 0] == 0
    assert found.finish_reasons[7, 0] == b"refused"
    alone = complete(
        CAREFUL, ["abc"], *make_beam_settings(1, 3, max_new_tokens=9)
    )
    for row in (0, 8):
        assert found.texts[row, :3].tolist() == alone.texts[0].tolist()
        assert not found.texts[row, 3:].any()
        np.testing.assert_allclose(
            found.scores[row, :3], alone.scores[0], atol=1e-5
        )


class Chain:
    """A model that is sure which token follows which."""

    max_length, vocab_size = 48, TOKENIZER.vocab_size

    def __init__(self, text):
        ids = TOKENIZER.encode(text)
        self.followers = np.zeros(self.vocab_size, np.int32)
        self.followers[ids[:-1]] = ids[1:]

    def make_cache(self, batch_size, max_length):
        return (tf.zeros([batch_size]),)

    def hidden_states(self, token_ids, cache, training, mask):
        return tf.cast(token_ids, tf.float32)[:, :, None], cache

    def logits(self, hidden):
        last = tf.cast(hidden[:, 0], tf.int32)
        after = tf.gather(self.followers, last)
        return 9 * tf.one_hot(after, self.vocab_size)


def test_a_refused_hypothesis_is_replaced_and_the_others_stay():
    arguments = tf.constant(["a"]), *make_beam_settings(1, 3, max_new_tokens=2)
    free, found = (
        BeamCompleter(Chain("ab猫de "), TOKENIZER, policy).complete(*arguments)
        for policy in (Policy(), CAREFUL)
    )
    texts = [text.decode() for text in free.texts.numpy()[0]]
    assert texts[0] == "b猫" and "猫" not in "".join(texts[1:])
    for column in (found.texts, found.texts_bytes):
        shown = [text.decode() for text in column.numpy()[0]]
        assert shown == ["No.", *texts[1:]]
    assert found.lengths.numpy()[0, 0] == 0 < found.lengths.numpy()[0, 1]
    ids = found.token_ids.numpy()[0]
    assert (ids[0] == TOKENIZER.end_of_text_id).all()
    assert (ids[1:] == free.token_ids.numpy()[0, 1:]).all()
    reasons = [x.decode() for x in found.finish_reasons.numpy()[0]]
    assert reasons[0] == "refused" and "refused" not in reasons[1:]
    assert found.scores.numpy().tolist() == free.scores.numpy().tolist()


def test_redaction_is_each_hypothesis_own():
    arguments = (
        tf.constant(["a", "c"]),
        *make_beam_settings(2, 3, max_new_tokens=7),
    )
    kinds = ("email",)
    free, found = (
        BeamCompleter(Chain("ab@c.de "), TOKENIZER, policy).complete(*arguments)
        for policy in (Policy(), Policy(redact=kinds))
    )
    expected, is_redacted = redact(tf.reshape(free.texts, [-1]), kinds)
    texts = tf.reshape(found.texts, [-1]).numpy().tolist()
    assert texts == expected.numpy().tolist()
    is_redacted = is_redacted.numpy().reshape(2, 3)
    assert is_redacted[0, 0] and not is_redacted.all()
    assert (found.lengths.numpy() == 0)[is_redacted].all()
    assert found.lengths.numpy()[~is_redacted].all()


def test_prompts_may_be_tokens_already(complete):
    settings, beams = make_beam_settings(2, 2, max_new_tokens=4)
    completer = BeamCompleter(Chain("abcdefg"), TOKENIZER)
    none = tf.zeros([2], bool)
    found = completer.complete_tokens(
        tf.constant([TOKENIZER.encode("ab"), TOKENIZER.encode("cx")]),
        tf.constant([2, 1]),
        settings,
        beams,
        none,
        tf.fill([2], ""),
    )
    expected = completer.complete(tf.constant(["ab", "c"]), settings, beams)
    assert found.texts.numpy().tolist() == expected.texts.numpy().tolist()
    assert found.texts.numpy()[:, 0].tolist() == [b"cdef", b"defg"]

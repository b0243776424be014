"""Tests of the beam search of `TextGenerator`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.beam_results import BeamResult
from gpt_keras.generation.beam_search import length_penalties
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.scoring import score
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer

PROMPTS = ["bad cab", "", "猫 egg", "face " * 9]


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(1)
    tokenizer = CharacterTokenizer("abcdefg 猫")
    model = GPTModel(
        tokenizer.vocab_size + 20,  # padded
        16,
        2,
        32,
        max_length=32,
        num_layers=1,
        initializer_stddev=0.5,
    )
    model(np.zeros((1, 1), np.int32))
    return model, tokenizer


@pytest.fixture(scope="module")
def generator(parts):
    return TextGenerator(*parts)


def test_each_prompt_has_its_best_hypotheses(generator, parts):
    one = generator.beam_search("bad cab", max_new_tokens=8, num_return=3)
    assert isinstance(one, BeamResult) and one.prompt == "bad cab"
    assert len(one.hypotheses) == 3 and one.prompt_truncated is False
    for found in one.hypotheses:
        assert found.text == parts[1].decode(found.token_ids)
        assert all(type(token) is int for token in found.token_ids)
        assert max(found.token_ids, default=0) < parts[1].vocab_size
    several = generator.beam_search(
        PROMPTS, beams=[4, 1, 2, 3], max_new_tokens=8
    )
    assert [len(result.hypotheses) for result in several] == [1] * 4
    assert [result.prompt for result in several] == PROMPTS
    assert several[0].hypotheses[0].text == one.hypotheses[0].text
    assert [result.prompt_truncated for result in several] == [0, 0, 0, 1]
    assert generator.beam_search([]) == []


def test_there_may_be_fewer_than_were_asked_for(generator):
    found = generator.beam_search("a", num_return=4, max_new_tokens=0)
    (only,) = found.hypotheses
    assert (only.text, only.score, only.finish_reason) == ("", 0.0, "length")


def test_scores_are_those_of_the_texts(generator, parts):
    """What the cached search sums up is what `score` reads in one piece."""
    model, tokenizer = parts
    settings = dict(beams=5, num_return=5, length_penalty=0.8)
    results = generator.beam_search(PROMPTS[:3], max_new_tokens=9, **settings)
    pairs = [(x.prompt, one) for x in results for one in x.hypotheses]
    prompts, texts = zip(*((x, one.text) for x, one in pairs), strict=True)
    scores = score(model, tokenizer, tf.constant(prompts), tf.constant(texts))
    expected, lengths = scores.total_logprobs.numpy(), scores.lengths.numpy()
    end = tokenizer.end_of_text_id
    for row, (prompt, one) in enumerate(pairs):
        if one.finish_reason == "stop":
            ids = tokenizer.encode(prompt) or [end]
            logits = model(np.array([[*ids, *one.token_ids]]))[0, -1]
            logits = logits[: tokenizer.vocab_size]
            expected[row] += tf.nn.log_softmax(logits)[end]
            lengths[row] += 1
    found = [one.total_logprob for _, one in pairs]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    penalties = length_penalties(lengths, tf.fill(lengths.shape, 0.8))
    found = [one.score for _, one in pairs]
    np.testing.assert_allclose(found, expected / penalties, atol=1e-4)
    assert {one.finish_reason for _, one in pairs} == {"stop", "length"}


def test_rules_of_texts_hold(generator):
    free = generator.beam_search("bad cab", max_new_tokens=12, num_return=4)
    longest = max((one.text for one in free.hypotheses), key=len)
    settings = dict(max_new_tokens=12, num_return=4)
    banned = longest[:2]
    found = generator.beam_search("bad cab", banned=banned, **settings)
    assert not any(banned in one.text for one in found.hypotheses)
    stop = longest[-2:]
    found = generator.beam_search("bad cab", stop=stop, **settings)
    assert not any(stop in one.text for one in found.hypotheses)
    assert "stop" in {one.finish_reason for one in found.hypotheses}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(temperature=0.5), r"draws nothing .* Received: .'temperature'"),
        (dict(top_p=0.5, seed=1), "Received: .'seed', 'top_p'"),
        (dict(overflow="roll"), "ends where the model is full"),
        (dict(heat=1), "A setting must be one of"),
        (dict(beams=0), "`beams` must be an integer from 1 to"),
        (dict(beams=1.5), "`beams` must be an integer"),
        (dict(beams=[1, 2]), "one value, or one for each of the 1"),
        (dict(length_penalty=11), "`length_penalty` must be a number from"),
        (dict(length_penalty=float("nan")), "`length_penalty` must be"),
        (dict(beams=2, num_return=3), "`num_return` must be .* to `beams`"),
        (dict(num_return=0), "`num_return` must be"),
        (dict(num_return=True), "`num_return` must be"),
        (dict(max_new_tokens=-1), "`max_new_tokens` must be"),
    ],
)
def test_what_makes_no_sense_is_refused(generator, settings, words):
    with pytest.raises(ValueError, match=words):
        generator.beam_search("a", **settings)


def test_prompts_must_be_text(generator):
    with pytest.raises(ValueError, match="`prompts` must be"):
        generator.beam_search([b"a"])


def test_a_policy_s_limits_are_errors(parts):
    strict = TextGenerator(*parts, Policy(max_beams=3))
    with pytest.raises(ValueError, match="from 1 to 3. Received: beams=4"):
        strict.beam_search("a", beams=4)

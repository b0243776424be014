"""Tests of text generation."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.policy import Policy
from gpt_keras.generation.text_generator import GenerationResult
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

PROMPTS = ["the cat", "", "ein Häuschen", "the cat", "t" * 100]


@pytest.fixture(scope="module")
def tokenizer():
    return train_byte_pair(["the cat sat on the mat. ein Häuschen 家"], 265)


@pytest.fixture(scope="module")
def traces():
    """Grows with each trace of the model's projection."""
    return []


@pytest.fixture(scope="module")
def model(tokenizer, traces):
    keras.utils.set_random_seed(0)
    model = GPTModel(
        tokenizer.vocab_size + 90,  # padded
        16,
        2,
        32,
        max_length=48,
        num_layers=1,
        initializer_stddev=0.4,
    )
    model(np.zeros((1, 1), np.int32))
    project = model.logits

    def logits(hidden):
        traces.append(hidden.shape)
        return project(hidden)

    model.logits = logits
    return model


@pytest.fixture(scope="module")
def generator(model, tokenizer):
    return TextGenerator(model, tokenizer)


def brief(result):
    """All but the numbers, which differ a little between batches."""
    return dataclasses.replace(
        result, logprobs=(), top_token_ids=(), top_logprobs=()
    )


def test_one_prompt_gives_one_completion(generator, tokenizer):
    result = generator.generate("the cat", max_new_tokens=8, seed=1)
    assert isinstance(result, GenerationResult)
    assert result.prompt == "the cat"
    assert result.text == tokenizer.decode(result.token_ids)
    assert len(result.token_ids) == 8
    assert all(type(token) is int for token in result.token_ids)
    assert result.finish_reason == "length"
    assert result.prompt_truncated is False
    assert result.seed == 1
    assert len(result.logprobs) == len(result.top_logprobs) == 8
    assert all(len(ids) == 5 for ids in result.top_token_ids)
    for logprob, best in zip(result.logprobs, result.top_logprobs, strict=True):
        assert logprob <= best[0] <= 0 and sorted(best)[::-1] == list(best)


def test_several_prompts_give_a_list_and_each_what_it_gets_alone(generator):
    settings = dict(max_new_tokens=12, top_k=20, seed=3)
    together = generator.generate(PROMPTS, **settings)
    for prompt, result in zip(PROMPTS, together, strict=True):
        alone = generator.generate(prompt, **settings)
        assert brief(alone) == brief(result)
        assert alone.logprobs == pytest.approx(result.logprobs, abs=1e-5)
    assert brief(together[0]) == brief(together[3])
    assert [c.prompt_truncated for c in together] == [False] * 4 + [True]
    assert together[4].finish_reason == "max_length"


def test_settings_by_prompt(generator):
    completions = generator.generate(
        ["the cat"] * 3, seed=[1, 2, 1], max_new_tokens=[9, 9, 4]
    )
    first, second, third = (c.token_ids for c in completions)
    assert first != second
    assert third == first[:4]


def test_no_prompts(generator):
    assert generator.generate([]) == []


def test_max_length_is_said_or_rolled_over(generator):
    settings = dict(max_new_tokens=120, top_k=1)
    stopped = generator.generate("the cat", **settings)
    rolled = generator.generate("the cat", overflow="roll", **settings)
    assert stopped.finish_reason == "max_length"
    assert rolled.finish_reason == "length"
    assert len(rolled.token_ids) == 120
    assert rolled.token_ids[: len(stopped.token_ids)] == stopped.token_ids


@pytest.mark.parametrize("overflow", ["stop", "roll"])
@pytest.mark.parametrize("seed", range(4))
def test_streamed_pieces_join_to_the_completion(generator, overflow, seed):
    settings = dict(max_new_tokens=60, seed=seed, overflow=overflow)
    for prompt in ("the cat", ""):
        pieces = list(generator.stream(prompt, **settings))
        assert "".join(pieces) == generator.generate(prompt, **settings).text
        assert "" not in pieces


def test_streaming_does_not_cut_characters():
    tokenizer = train_byte_pair(["text"], 257)
    house = tokenizer.encode("家")
    assert len(house) == 3  # a token for each byte
    model = Chain(dict(zip(house, house[1:] + house[:1], strict=True)))
    model.vocab_size = tokenizer.vocab_size
    pieces = TextGenerator(model, tokenizer).stream("家", max_new_tokens=7)
    assert list(pieces) == ["家", "家", "\ufffd"]


class Chain:
    """A model that is sure which token follows which."""

    max_length = 48

    def __init__(self, followers):
        self.followers = followers

    def make_cache(self, batch_size, max_length):
        return (tf.zeros([batch_size]),)

    def hidden_states(self, token_ids, cache, training, mask):
        return token_ids[:, :, None], cache

    def logits(self, hidden):
        followers = np.zeros(self.vocab_size, np.int32)
        followers[list(self.followers)] = list(self.followers.values())
        after = tf.gather(followers, hidden[:, 0])
        return 100 * tf.one_hot(after, self.vocab_size)


def test_changed_settings_and_shapes_never_retrace(generator, traces):
    for count, number in ((1, 5), (2, 6), (5, 7)):
        generator.generate(
            PROMPTS[:count],
            max_new_tokens=number,
            temperature=0.1 * number,
            top_k=number,
            top_p=number / 10,
            seed=number,
            overflow="roll",
        )
        assert len(traces) == 1  # in the loop
    list(generator.stream("the cat", max_new_tokens=3))
    assert len(traces) == 1


def test_the_weights_are_read_anew(generator, model):
    def generate():
        return generator.generate("the cat", max_new_tokens=5, temperature=0)

    def negate():
        for weight in model.weights:
            weight.assign(-weight)

    before = generate()
    negate()
    between = generate()
    negate()
    assert before != between
    assert before == generate()


def test_the_padding_of_the_model_s_vocabulary_is_never_drawn(
    generator, tokenizer
):
    results = generator.generate(["a"] * 8, seed=range(8), temperature=3.0)
    ids = {token for result in results for token in result.token_ids}
    assert len(ids) > 50
    assert max(ids) < tokenizer.vocab_size


def test_the_model_must_know_the_tokenizer_s_ids():
    model = GPTModel(4, 16, 2, 32, 8, num_layers=1)
    with pytest.raises(ValueError, match="tokenizer.vocab_size=5, model.*=4"):
        TextGenerator(model, CharacterTokenizer("abc"))


@pytest.mark.parametrize("prompts", [["a", None], [b"a"], [["a"]]])
def test_prompts_must_be_text(generator, prompts):
    with pytest.raises(ValueError, match="`prompts` must be"):
        generator.generate(prompts)


def test_settings_are_checked_at_the_call(generator):
    with pytest.raises(ValueError, match="temperature=-1"):
        generator.generate("a", temperature=-1)
    with pytest.raises(ValueError, match="top_p=2"):
        generator.stream("a", top_p=2)
    with pytest.raises(ValueError, match="`prompts` must be"):
        generator.stream(7)


def test_a_drawn_seed_gives_the_same_completion_again(generator):
    drawn = generator.generate(["the"] * 8, seed=-1, max_new_tokens=20)
    seeds = [result.seed for result in drawn]
    assert len(set(seeds)) == 8
    again = generator.generate(["the"] * 8, seed=seeds, max_new_tokens=20)
    assert [x.text for x in again] == [x.text for x in drawn]


def test_stop_texts_are_cut_off_and_never_streamed(generator):
    settings = dict(max_new_tokens=40, seed=2)
    whole = generator.generate("the cat", **settings).text
    pairs = re.findall("[ -~]{2}", whole)
    for stop in (pairs[0], pairs[-1][0], [pairs[-1], "never"]):
        expected = min(
            whole.find(text)
            for text in ([stop] if isinstance(stop, str) else stop)
            if text in whole
        )
        result = generator.generate("the cat", stop=stop, **settings)
        assert result.text == whole[:expected]
        assert result.finish_reason == "stop"
        pieces = list(generator.stream("the cat", stop=stop, **settings))
        assert "".join(pieces) == result.text


def test_banned_texts_never_come(generator):
    settings = dict(max_new_tokens=40, seed=2)
    whole = generator.generate("the cat", **settings).text
    banned = re.findall("[ -~]{2}", whole)[:2]
    text = generator.generate("the cat", banned=banned, **settings).text
    assert not any(word in text for word in banned)


def test_a_policy_s_rules_are_errors(model, tokenizer):
    policy = Policy(max_prompt_bytes=8, max_new_tokens=9)
    strict = TextGenerator(model, tokenizer, policy)
    with pytest.raises(ValueError, match="at most 8 bytes .* 9 bytes"):
        strict.generate(["the cat", "the cat s"], max_new_tokens=9)
    with pytest.raises(ValueError, match="at most 9. Received: 100"):
        strict.stream("the cat")


def test_what_may_be_replaced_is_streamed_in_one_piece(model, tokenizer):
    policy = Policy(refuse=("家",), refusal_text="No.")
    careful = TextGenerator(model, tokenizer, policy)
    assert list(careful.stream("a 家", max_new_tokens=9)) == ["No."]
    assert careful.generate("a 家").finish_reason == "refused"
    pieces = list(careful.stream("the cat", max_new_tokens=9))
    assert len(pieces) == 1

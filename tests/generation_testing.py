"""Models, a tokenizer and a plain loop for the tests of generation."""

import functools
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.decoding_state import FINISH_REASONS
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import sample
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.model import GPTModel

VOCAB_SIZE = 11
END_OF_TEXT = 10
# Some overlap, some are parts of a character, one is empty.
TOKENS = [b"a", b"b", b"ab", b"ba", b"c", b"bca", b"\xe7\x8c", b"\xab"]
TOKENS += [b"aa", b"", b""]


class FakeTokenizer:
    vocab_size = VOCAB_SIZE
    end_of_text_id = END_OF_TEXT

    def token_bytes(self, token_id):
        return TOKENS[token_id]


class FakeCache(NamedTuple):
    token_ids: Any  # (batch, max_length)
    lengths: Any


class FakeModel:
    """Its states are exact hashes of all tokens so far and their places."""

    vocab_size = VOCAB_SIZE

    def __init__(self, max_length=16, end_of_text_logit=0.0):
        self.max_length = max_length
        self.end_of_text_logit = end_of_text_logit

    def make_cache(self, batch_size, max_length=None):
        size = self.max_length if max_length is None else max_length
        return FakeCache(
            tf.zeros([batch_size, size], tf.int32),
            tf.zeros([batch_size], tf.int32),
        )

    def hidden_states(self, token_ids, cache=None, training=None, mask=None):
        new = tf.range(tf.shape(token_ids)[1])[None] + cache.lengths[:, None]
        places = tf.range(tf.shape(cache.token_ids)[1])
        written = (new[:, :, None] == places) & mask[:, :, None]
        tokens = tf.where(
            tf.reduce_any(written, 1),
            tf.reduce_sum(tf.where(written, token_ids[:, :, None], 0), 1),
            cache.token_ids,
        )
        products = (tokens + 3) * (places + 1)
        visible = places <= new[:, :, None]
        hashes = tf.reduce_sum(tf.where(visible, products[:, None], 0), -1)
        added = tf.reduce_sum(tf.cast(mask, tf.int32), -1)
        cache = FakeCache(tokens, cache.lengths + added)
        return tf.cast(hashes % 1009, tf.float32)[:, :, None], cache

    def logits(self, hidden):
        logits = 3 * tf.sin(hidden * tf.range(1.0, VOCAB_SIZE + 1))
        stop = tf.one_hot(END_OF_TEXT, VOCAB_SIZE)
        return logits + self.end_of_text_logit * stop


@functools.cache
def fake(max_length=16, end_of_text_logit=0.0):
    return FakeModel(max_length, end_of_text_logit)


@functools.cache
def gpt(**switches):
    arguments = dict(num_layers=2, initializer_stddev=0.4) | switches
    model = GPTModel(VOCAB_SIZE, 16, 2, 32, max_length=16, **arguments)
    model(np.zeros((1, 1), np.int32))
    return model


@functools.cache
def uncached(model):
    """A function from token ids `(1, length)` to the last logits."""

    def logits(token_ids):
        if isinstance(model, GPTModel):
            return model(token_ids, training=False)[:, -1]
        mask = tf.ones_like(token_ids, bool)
        hidden, _ = model.hidden_states(
            token_ids, model.make_cache(1), mask=mask
        )
        return model.logits(hidden[:, -1])

    return tf.function(
        logits,
        input_signature=[tf.TensorSpec([1, None], "int32")],
        autograph=False,
    )


def plain_loop(model, prompt, settings, policy=NO_POLICY):
    """One row without a cache: (token ids, text, finish reason)."""
    max_length = model.max_length
    context = list(prompt[-(max_length - 1) :]) or [END_OF_TEXT]
    stop, banned = (
        [text for text in joined[0].encode().split(b"\x1f") if text]
        for joined in (settings.stop, settings.banned)
    )
    banned += [text.encode() for text in policy.banned]
    window = list(context)
    new = []
    while len(new) < settings.max_new_tokens[0]:
        position = len(prompt) + len(new)
        logits = uncached(model)([window])
        token = draw(logits, settings, position, context, new, banned)
        if token == END_OF_TEXT:
            return new, spell(new), "stop"
        new.append(token)
        window.append(token)
        if cut := cut_at(spell(new), spell(new[:-1]), stop):
            return [*begun_before(new, len(cut[0]))], cut[0], "stop"
        if is_loop(new, policy.repetition_guard):
            return new, spell(new), "repetition"
        if len(window) == max_length and len(new) < settings.max_new_tokens[0]:
            if settings.overflow[0] == "stop":
                return new, spell(new), "max_length"
            window = window[-((max_length + 1) // 2) :]
    return new, spell(new), "length"


def spell(token_ids):
    return b"".join(TOKENS[token] for token in token_ids)


def cut_at(text, before, stops):
    """The text before the stop that ends first, the longest of several."""
    for end in range(len(before) + 1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return [text[: end - max(map(len, found))]]
    return None


def begun_before(new, size):
    for index in range(len(new)):
        if len(spell(new[:index])) < size:
            yield new[index]


def is_loop(new, times):
    """Whether one span of at most 64 tokens fills the end, 16 or more."""
    for span in range(1, 65) if times else ():
        end = new[-max(times * span, 16) :]
        if len(end) == max(times * span, 16) and end[span:] == end[:-span]:
            return True
    return False


def draw(logits, settings, position, context, new, banned):
    """Draws as the decoder, what is banned found by trying every token."""
    text = spell(context) + spell(new)
    is_banned = [
        any(
            (text + token).find(b, max(0, len(text) - len(b) + 1)) >= 0
            for b in banned
        )
        for token in TOKENS
    ]
    tokens = [*context, *new]
    drawn = compiled_sample(
        logits,
        settings,
        np.array([position], np.int32),
        np.array([tokens], np.int32),
        np.array([len(tokens)], np.int32),
        np.array([len(context)], np.int32),
        np.array([is_banned]),
    )
    return int(drawn[0])


@tf.function(reduce_retracing=True, autograph=False)
def compiled_sample(logits, settings, positions, ids, lengths, starts, banned):
    context = SamplingContext(
        positions=positions,
        token_ids=ids,
        lengths=lengths,
        context_lengths=starts,
        end_of_text_id=END_OF_TEXT,
        is_banned=banned,
    )
    return sample(logits, settings, context)


@functools.cache
def compiled(model, policy=NO_POLICY):
    decoder = Decoder(model, FakeTokenizer(), policy, details=True)
    return tf.function(
        decoder.generate,
        input_signature=[
            tf.TensorSpec([None, None], "int32"),
            tf.TensorSpec([None], "int32"),
            SETTINGS_SPEC,
        ],
        autograph=False,
    )


def decode(
    model, prompts, settings, function=None, padding=7, policy=NO_POLICY
):
    width = max(map(len, prompts), default=0)
    ids = np.full((len(prompts), width), padding, np.int32)
    for row, prompt in zip(ids, prompts, strict=True):
        row[: len(prompt)] = prompt
    lengths = np.array([len(prompt) for prompt in prompts], np.int32)
    function = function or compiled(model, policy)
    return function(ids, lengths, settings)


def decode_eagerly(model, prompts, settings, policy=NO_POLICY):
    decoder = Decoder(model, FakeTokenizer(), policy)
    return decode(model, prompts, settings, decoder.generate)


def rows_of(generated):
    """Of each row its token ids, text and finish reason."""
    columns = tf.nest.map_structure(lambda x: x.numpy().tolist(), generated)
    rows = []
    for row, length in enumerate(columns.lengths):
        ids = columns.token_ids[row][:length]
        text = spell(ids)[: columns.text_lengths[row]]
        reason = FINISH_REASONS[columns.finish_reasons[row]]
        rows.append((ids, text, reason))
    return rows


def row_settings(settings, row):
    return GenerationSettings(*(value[row : row + 1] for value in settings))

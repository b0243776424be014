"""Random rows, and what the processors must make of them, in plain NumPy."""

import numpy as np
import tensorflow as tf

from gpt_keras.generation.sampling import PROCESSORS
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.watermark import green_tokens

NEVER = -np.inf
END_OF_TEXT = 3


def settings_of(batch_size, **values):
    """Settings as tensors, unchecked, as a served graph may get them."""
    settings = GenerationSettings(**SETTINGS)
    return GenerationSettings(
        **{
            name: tf.constant(
                np.broadcast_to(
                    values.get(name, setting.default), [batch_size]
                ),
                setting.dtype,
            )
            for name, setting in settings._asdict().items()
        }
    )


def random_numbers(random):
    """The settings of a row that are numbers, but for its seed."""
    return dict(
        max_new_tokens=int(random.integers(0, 50)),
        temperature=float(random.choice([0.0, 0.7, 1.0, 1.5])),
        top_k=int(random.choice([0, 3, 50, 10**9])),
        top_p=float(random.choice([1.0, 0.9, 0.5])),
        min_p=float(random.choice([0.0, 0.05])),
        repetition_penalty=float(random.choice([1.0, 1.3])),
        frequency_penalty=float(random.choice([0.0, 0.5, -0.2])),
        presence_penalty=float(random.choice([0.0, 0.5])),
        no_repeat_ngram=int(random.choice([0, 1, 3])),
    )


def context_of(rows, starts=None, width=None, padding=0, **fields):
    """A context of rows of token ids whose completion begins at `starts`."""
    lengths = np.array([len(row) for row in rows], int)
    width = max([1, *lengths]) if width is None else width
    token_ids = np.full((len(rows), width), padding)
    for token_row, row in zip(token_ids, rows, strict=True):
        token_row[: len(row)] = row
    fields = {
        "positions": tf.constant(lengths, tf.int32),
        "token_ids": tf.constant(token_ids, tf.int32),
        "lengths": tf.constant(lengths, tf.int32),
        "context_lengths": tf.constant(
            lengths if starts is None else starts, tf.int32
        ),
        "end_of_text_id": END_OF_TEXT,
        **fields,
    }
    return SamplingContext(**fields)


def process(name, logits, context=None, **values):
    """Runs one processor."""
    logits = tf.constant(logits, tf.float32)
    settings = settings_of(logits.shape[0], **values)
    return PROCESSORS[name](logits, settings, context).numpy()


def random_logits(batch_size, vocab_size, seed=0, ties=False):
    logits = np.random.default_rng(seed).normal(size=(batch_size, vocab_size))
    logits = np.round(logits * 2) if ties else logits * 3
    return logits.astype("float32")


def random_context(batch_size, vocab_size, seed=0, **fields):
    """Rows of few different tokens, with any ids for padding."""
    draws = np.random.default_rng(seed)
    lengths = draws.integers(1, 40, batch_size)
    rows = [draws.integers(0, 9, length) % vocab_size for length in lengths]
    starts = [draws.integers(1, length + 1) for length in lengths]
    return context_of(rows, starts, width=41, padding=vocab_size - 1, **fields)


def context_row(context, row):
    """The same context with one row alone."""
    return context._replace(
        **{
            name: value[row : row + 1]
            for name, value in context._asdict().items()
            if isinstance(value, tf.Tensor)
        }
    )


def numpy_process(name, logits, context, **values):
    """What a processor must give, row by row and token by token."""
    values = {
        key: np.broadcast_to(value, [len(logits)])
        for key, value in values.items()
    }
    rows = []
    for row, row_logits in enumerate(logits):
        settings = {key: value[row] for key, value in values.items()}
        tokens, completion = _texts(context, row) if context else ([], [])
        oracle = _ORACLES[name]
        rows.append(
            oracle(row_logits, settings, tokens, completion, context, row)
        )
    return np.array(rows, np.float32).reshape(logits.shape)


def _texts(context, row):
    length = int(context.lengths[row])
    tokens = context.token_ids.numpy()[row, :length].tolist()
    return tokens, tokens[int(context.context_lengths[row]) :]


def _repetition(logits, settings, tokens, completion, context, row):
    scale = np.float32(settings.get("repetition_penalty", 1))
    new = logits.copy()
    for token in set(tokens):
        value = logits[token]
        new[token] = value / scale if value > 0 else value * scale
    return new


def _frequency(logits, settings, tokens, completion, context, row):
    penalty = np.float32(settings.get("frequency_penalty", 0))
    new = logits.copy()
    for token in set(completion):
        new[token] -= penalty * completion.count(token)
    return new


def _presence(logits, settings, tokens, completion, context, row):
    penalty = np.float32(settings.get("presence_penalty", 0))
    new = logits.copy()
    for token in set(completion):
        new[token] -= penalty
    return new


def _no_repeat(logits, settings, tokens, completion, context, row):
    size = settings.get("no_repeat_ngram", 0)
    new = logits.copy()
    if not 0 < size <= len(tokens):
        return new
    runs = {
        tuple(tokens[start : start + size])
        for start in range(len(tokens) - size + 1)
    }
    for token in range(len(logits)):
        end = tokens[len(tokens) - size + 1 :] + [token]
        if tuple(end) in runs and token != END_OF_TEXT:
            new[token] = NEVER
    return new


def _banned(logits, settings, tokens, completion, context, row):
    new = logits.copy()
    if context.is_banned is not None:
        for token in np.flatnonzero(context.is_banned[row]):
            if token != END_OF_TEXT:
                new[token] = NEVER
    return new


def _watermark(logits, settings, tokens, completion, context, row):
    if context.watermark is None:
        return logits
    (green,) = green_tokens(
        context.watermark, tf.constant(tokens[-1:]), len(logits)
    ).numpy()
    return logits + np.where(green, np.float32(context.watermark.strength), 0)


def _spans(logits, settings, tokens, completion, context, row):
    assert context.spans is None  # tests/generation/spans_test.py has them
    return logits


def _temperature(logits, settings, tokens, completion, context, row):
    temperature = np.float32(settings.get("temperature", 1))
    return (logits - logits.max()) / (temperature or np.float32(1))


def _best(logits, count):
    order = np.argsort(-logits, kind="stable")
    kept = np.full_like(logits, NEVER)
    kept[order[:count]] = logits[order[:count]]
    return kept


def _top_k(logits, settings, *_):
    k = settings.get("top_k", 0)
    is_off = k <= 0 or settings.get("temperature", 1) == 0
    return logits if is_off else _best(logits, k)


def _top_p(logits, settings, *_):
    p = settings.get("top_p", 1)
    if p >= 1 or settings.get("temperature", 1) == 0:
        return logits
    order = np.argsort(-logits, kind="stable")
    weights = np.exp(logits.astype("float64") - logits.max())
    sums = np.cumsum(weights[order]) / weights.sum()
    return _best(logits, int(np.argmax(sums >= np.float32(p))) + 1)


def _min_p(logits, settings, *_):
    p = settings.get("min_p", 0)
    if p <= 0 or settings.get("temperature", 1) == 0:
        return logits
    shares = np.exp(logits.astype("float64") - logits.max())
    return np.where(shares >= np.float32(p), logits, NEVER)


_ORACLES = {
    "repetition_penalty": _repetition,
    "frequency_penalty": _frequency,
    "presence_penalty": _presence,
    "no_repeat_ngram": _no_repeat,
    "banned": _banned,
    "watermark": _watermark,
    "spans": _spans,
    "temperature": _temperature,
    "top_k": _top_k,
    "top_p": _top_p,
    "min_p": _min_p,
}

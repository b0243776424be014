"""Generation settings as a user gives them come in, checked arrays go out.

Every setting becomes one value for each row of the batch, so that rows with
different settings share a batch and a changed value never retraces a graph.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.setting_values import TEXTS
from gpt_keras.generation.setting_values import check_names
from gpt_keras.generation.setting_values import join_texts

OVERFLOWS = ("stop", "roll")
MAX_STRINGS = 32  # in one row's `stop` or `banned`
MAX_STRING_BYTES = 128  # of each
# Of drawn seeds: JSON clients that read doubles get them back whole.
SEED_LIMIT = 2**53
MAX_NGRAM = 100  # tokens; longer runs would take longer than the model


class GenerationSettings(NamedTuple):
    """How to generate, each a tensor or array of shape `(batch,)`.

    Attributes:
        max_new_tokens: int32, the most tokens a row gets.
        temperature: float32, divides the logits; 0 takes the likeliest token.
        top_k: int32, draw among the k likeliest tokens; 0 is off.
        top_p: float32, draw among the fewest tokens that together have
            probability p; 1 is off.
        min_p: float32, draw among the tokens with at least this share of the
            likeliest one's probability; 0 is off.
        repetition_penalty: float32, divides the positive logits of tokens
            that prompt or completion hold, and multiplies the negative ones;
            1 is off.
        frequency_penalty: float32, is taken off a token's logit each time
            that the completion holds it; 0 is off.
        presence_penalty: float32, is taken off once if the completion holds
            the token; 0 is off.
        no_repeat_ngram: int32, no run of so many tokens comes twice in prompt
            and completion; 0 is off.
        seed: int64, of the row's random numbers. A row draws the same tokens
            in any batch. -1 draws a seed.
        stop: string, texts that end a row, joined by `SEPARATOR`. What comes
            out ends before the text.
        banned: string, texts that the row never writes, joined by
            `SEPARATOR`.
        overflow: string, one of `OVERFLOWS`: what happens when prompt and
            completion fill the model's `max_length`. `"stop"` ends the row,
            `"roll"` goes on with the newer half of its tokens.
    """

    max_new_tokens: Any
    temperature: Any
    top_k: Any
    top_p: Any
    min_p: Any
    repetition_penalty: Any
    frequency_penalty: Any
    presence_penalty: Any
    no_repeat_ngram: Any
    seed: Any
    stop: Any
    banned: Any
    overflow: Any


class Setting(NamedTuple):
    """What one setting may be; `is_valid` takes arrays and tensors."""

    dtype: tf.DType
    is_valid: Callable[[Any], Any]
    rule: str
    default: Any = None


_INT_MAX = 2**31 - 1
_FLOAT_MAX = float(np.finfo(np.float32).max)


def _count() -> Setting:
    return Setting(
        tf.int32,
        lambda x: (x >= 0) & (x <= _INT_MAX),
        "an integer from 0 to 2**31 - 1",
    )


def _number(is_valid, rule) -> Setting:
    return Setting(tf.float32, is_valid, f"a number {rule}")


def _penalty() -> Setting:
    return _number(lambda x: abs(x) <= _FLOAT_MAX, "that is finite")


def _texts() -> Setting:
    rule = (
        f"at most {MAX_STRINGS} texts of at most {MAX_STRING_BYTES} bytes each"
    )
    return Setting(tf.string, _are_short, rule)


MAX_JOINED_BYTES = MAX_STRINGS * (MAX_STRING_BYTES + len(SEPARATOR))


def _are_short(joined):
    """Returns which rows hold few and short enough texts."""
    total = tf.strings.length(joined)
    # What is far too long is not even split.
    joined = tf.where(total <= MAX_JOINED_BYTES, joined, "")
    texts = tf.strings.split(joined, SEPARATOR)
    lengths = tf.strings.length(texts)
    longest = tf.reduce_max(lengths, -1)  # the least int32 without any
    counts = tf.reduce_sum(tf.cast(lengths > 0, tf.int32), -1)
    return (
        (total <= MAX_JOINED_BYTES)
        & (longest <= MAX_STRING_BYTES)
        & (counts <= MAX_STRINGS)
    )


_RULES = {
    "max_new_tokens": _count(),
    "temperature": _number(
        lambda x: (x >= 0) & (x <= _FLOAT_MAX), "that is finite and >= 0"
    ),
    "top_k": _count(),
    "top_p": _number(lambda x: (x > 0) & (x <= 1), "in (0, 1]"),
    "min_p": _number(lambda x: (x >= 0) & (x <= 1), "in [0, 1]"),
    "repetition_penalty": _number(
        lambda x: (x > 0) & (x <= _FLOAT_MAX), "that is finite and > 0"
    ),
    "frequency_penalty": _penalty(),
    "presence_penalty": _penalty(),
    "no_repeat_ngram": Setting(
        tf.int32,
        lambda x: (x >= 0) & (x <= MAX_NGRAM),
        f"an integer from 0 to {MAX_NGRAM}",
    ),
    "seed": Setting(
        tf.int64,
        lambda x: (x >= -1) & (x <= 2**63 - 1),
        "an integer from -1 to 2**63 - 1",
    ),
    "stop": _texts(),
    "banned": _texts(),
    "overflow": Setting(
        tf.string,
        lambda x: (x == "stop") | (x == "roll"),
        f"one of {OVERFLOWS}",
    ),
}
SETTINGS = {
    name: _RULES[name]._replace(default=default)
    for name, default in DEFAULTS.items()
}

SETTINGS_SPEC = GenerationSettings(
    **{
        name: tf.TensorSpec([None], setting.dtype, name)
        for name, setting in SETTINGS.items()
    }
)


def make_settings(batch_size: int, **values) -> GenerationSettings:
    """Checks settings and spreads them over the rows of a batch.

    Args:
        batch_size: The number of rows.
        **values: Fields of `GenerationSettings`, each one value for all rows
            or a sequence with one for each row. `stop` and `banned` are one
            text or a sequence of texts for all rows, or a sequence with a
            sequence of texts for each row. What is not given takes its
            default from `SETTINGS`.

    Returns:
        `GenerationSettings` of NumPy arrays, each `(batch_size,)`.

    Raises:
        ValueError: A setting is unknown, breaks its rule, or has another
            number of values than there are rows.

    Example:

    >>> make_settings(2, temperature=[0.0, 0.8]).temperature
    array([0. , 0.8], dtype=float32)
    """
    check_names(values)
    return GenerationSettings(
        **{
            name: per_row(
                name, setting, values.get(name, setting.default), batch_size
            )
            for name, setting in SETTINGS.items()
        }
    )


def check_settings(settings: GenerationSettings) -> tf.Tensor:
    """Says of every row which rule its settings break, inside a graph.

    Args:
        settings: Tensors `(batch,)`.

    Returns:
        Strings `(batch,)`: the rule and what came, of the first setting that
        breaks its own, or empty.
    """
    errors = no_errors(settings.seed)
    for name, setting in reversed(SETTINGS.items()):
        value = getattr(settings, name)
        errors = with_error(
            errors,
            setting.is_valid(value),
            f"`{name}` must be {setting.rule}",
            value,
        )
    return errors


def per_row(name: str, setting: Setting, value, batch_size: int) -> np.ndarray:
    """Checks one setting and spreads it over the rows of a batch.

    Args:
        name: Its name.
        setting: What it may be.
        value: As for `make_settings`.
        batch_size: The number of rows.

    Returns:
        `(batch_size,)`.

    Raises:
        ValueError: It breaks its rule, or has another number of values than
            there are rows.
    """
    received = value
    if name in TEXTS:
        value = join_texts(name, value)
    array = np.asarray(value)
    if array.shape not in ((), (batch_size,)):
        raise ValueError(
            f"`{name}` must be one value, or one for each of the {batch_size} "
            f"prompts. Received: shape={array.shape}"
        )
    if not _has_kind(array, setting) or not np.all(setting.is_valid(array)):
        raise ValueError(
            f"`{name}` must be {setting.rule}. Received: {name}={received!r}"
        )
    array = array.astype(setting.dtype.as_numpy_dtype)
    return np.broadcast_to(array, (batch_size,)).copy()


# The kinds of NumPy dtypes that fit, by the type of the default.
_DTYPE_KINDS = {int: "iu", float: "iuf", str: "U"}


def _has_kind(array: np.ndarray, setting: Setting) -> bool:
    kinds = _DTYPE_KINDS[type(setting.default)]
    return array.size == 0 or array.dtype.kind in kinds

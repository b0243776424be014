"""How to search as a user gives it comes in, checked values for each row out.

What else holds for a search are those of the settings of generation that don't
draw: `USED_SETTINGS`.
"""

import numbers
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.setting_values import BEAM_DEFAULTS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import Setting
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.settings import per_row

MAX_BEAMS = 8  # that a request may ask for, unless the deployer says otherwise
USED_SETTINGS = (
    "max_new_tokens",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "no_repeat_ngram",
    "stop",
    "banned",
)


class BeamSettings(NamedTuple):
    """How to search, each a tensor or array of shape `(batch,)`.

    Attributes:
        num_beams: int32, how many hypotheses are gone on with, and how many
            are given at most; 1 takes the likeliest token each time.
        length_penalty: float32, see `beam_search`: 0 compares the hypotheses'
            log-probabilities, more is for longer ones.
    """

    num_beams: Any
    length_penalty: Any


_MAX_EXPONENT = 10  # beyond, float32 can't hold the penalty
BEAM_SPEC = BeamSettings(
    num_beams=tf.TensorSpec([None], tf.int32, "num_beams"),
    length_penalty=tf.TensorSpec([None], tf.float32, "length_penalty"),
)


def make_beam_settings(
    batch_size: int,
    beams=BEAM_DEFAULTS["num_beams"],
    length_penalty=BEAM_DEFAULTS["length_penalty"],
    max_beams: int | None = None,
    **values,
) -> tuple[GenerationSettings, BeamSettings]:
    """Checks settings and spreads them over the rows of a batch.

    Args:
        batch_size: The number of rows.
        beams: `num_beams`, one value for all rows or one for each.
        length_penalty: The same.
        max_beams: The most beams; None for no limit.
        **values: Fields of `GenerationSettings`, those of `USED_SETTINGS`, as
            for `make_settings`.

    Returns:
        Both, of NumPy arrays `(batch_size,)`.

    Raises:
        ValueError: A setting is unknown, is of use for drawing only, breaks
            its rule, or has another number of values than there are rows.
    """
    if drawing := sorted(set(values) & set(SETTINGS) - set(USED_SETTINGS)):
        raise ValueError(
            "A beam search draws nothing and ends where the model is full: a "
            f"setting of it must be one of {list(USED_SETTINGS)}. Received: "
            f"{drawing}"
        )
    rules = _rules(max_beams)
    searching = BeamSettings(
        per_row("beams", rules["num_beams"], beams, batch_size),
        per_row(
            "length_penalty",
            rules["length_penalty"],
            length_penalty,
            batch_size,
        ),
    )
    return make_settings(batch_size, **values), searching


def check_num_return(num_return: int, num_beams) -> None:
    """Raises ValueError unless it is from 1 to each row's beams."""
    is_integer = isinstance(num_return, numbers.Integral)
    is_integer &= not isinstance(num_return, bool)
    fewest = min(num_beams, default=num_return)
    if not is_integer or not 1 <= num_return <= fewest:
        raise ValueError(
            "`num_return` must be an integer from 1 to `beams`. Received: "
            f"num_return={num_return!r}, beams={fewest}"
        )


def check_beam_settings(errors, settings: BeamSettings, max_beams=None):
    """Names in each row the rule that it breaks, inside a graph.

    Args:
        errors: `(batch,)` strings so far; they give way.
        settings: Tensors `(batch,)`.
        max_beams: The most beams; None for no limit.

    Returns:
        `(batch,)` strings.
    """
    for name, rule in reversed(_rules(max_beams).items()):
        value = getattr(settings, name)
        errors = with_error(
            errors, rule.is_valid(value), f"`{name}` must be {rule.rule}", value
        )
    return errors


def _rules(max_beams):
    most = 2**31 - 1 if max_beams is None else max_beams
    shown = "2**31 - 1" if max_beams is None else max_beams
    rules = {
        "num_beams": Setting(
            tf.int32,
            lambda x: (x >= 1) & (x <= most),
            f"an integer from 1 to {shown}",
        ),
        "length_penalty": Setting(
            tf.float32,
            lambda x: abs(x) <= _MAX_EXPONENT,
            f"a number from -{_MAX_EXPONENT} to {_MAX_EXPONENT}",
        ),
    }
    return {
        name: rule._replace(default=BEAM_DEFAULTS[name])
        for name, rule in rules.items()
    }

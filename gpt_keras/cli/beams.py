"""The settings of a beam search as flags, and back."""

from typing import Any

from absl import flags

from gpt_keras.cli import sampling
from gpt_keras.generation.setting_values import BEAM_DEFAULTS

_OFF = 0  # beams


def define_flags(values, default: int = _OFF) -> None:
    """Defines the flags.

    Args:
        values: Where.
        default: The beams where the flag says nothing; 0 for no search.
    """
    define_search(values, default)
    flags.DEFINE_integer(
        "num_return",
        1,
        "Most hypotheses of each prompt that are printed, at most `beams`.",
        flag_values=values,
    )


def define_search(values, default: int = _OFF) -> None:
    """Defines the flags of the search alone; arguments as `define_flags`'."""
    flags.DEFINE_integer(
        "beams",
        default,
        "Hypotheses that a beam search goes on with"
        + ("; 0: draw instead." if default == _OFF else "."),
        flag_values=values,
    )
    flags.DEFINE_float(
        "length_penalty",
        BEAM_DEFAULTS["length_penalty"],
        "Of a beam search: 0 compares log-probabilities, more is for longer "
        "texts.",
        flag_values=values,
    )


def settings(values) -> dict[str, Any] | None:
    """Returns the settings for `TextGenerator.beam_search`, or None.

    Of those for drawing, the ones that were given are among them, so that they
    are refused.

    Raises:
        ValueError: There are no beams, but settings for them.
    """
    if values.beams == _OFF:
        given = [x for x in _SEARCHING if values[x].present]
        if given:
            raise ValueError(
                f"Settings of a beam search need `beams`. Received: {given}"
            )
        return None
    named = {name: values[name].value for name in ("beams", *_SEARCHING)}
    others = sampling.settings(values).items()
    return named | {name: x for name, x in others if values[name].present}


_SEARCHING = ("num_return", "length_penalty")

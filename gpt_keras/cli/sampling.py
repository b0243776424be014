"""The settings of `TextGenerator` as flags, and back."""

from collections.abc import Collection

from absl import flags

from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.generation.setting_values import TEXTS

_HELP = {
    "max_new_tokens": "The most tokens to write.",
    "temperature": "0 always takes the likeliest token.",
    "top_k": "Draw among so many likeliest tokens; 0: all.",
    "top_p": "Draw among the fewest with this probability; 1: all.",
    "min_p": "Draw among tokens with this share of the likeliest one's "
    "probability; 0: all.",
    "repetition_penalty": "Makes tokens of prompt and text less likely; 1: "
    "off.",
    "frequency_penalty": "Taken off a token's logit each time it came; 0: off.",
    "presence_penalty": "Taken off a token's logit once it came; 0: off.",
    "no_repeat_ngram": "No run of so many tokens comes twice; 0: off.",
    "seed": "The same seed writes the same text; -1 draws one.",
    "stop": "End before this text; several times for several texts.",
    "banned": "Never write this text; several times for several texts.",
    "overflow": "At the model's length: `stop`, or `roll` on from the newer "
    "half.",
}
_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_flags(values, without: Collection[str] = ()) -> None:
    """Defines one flag for each setting.

    Args:
        values: Where.
        without: Settings that have another flag, or none.
    """
    for name, default in DEFAULTS.items():
        if name in without:
            continue
        define = _DEFINE[type(default)]
        if name in TEXTS:
            define, default = flags.DEFINE_multi_string, []
        define(name, default, _HELP[name], flag_values=values)


def settings(values) -> dict:
    """Returns the settings for `TextGenerator.generate`."""
    return {name: values[name].value for name in DEFAULTS}

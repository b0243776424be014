"""The settings of `TextGenerator` as flags, and back."""

from absl import flags

from gpt_keras.generation.settings import SETTINGS

_HELP = {
    "max_new_tokens": "The most tokens to write.",
    "temperature": "0 always takes the likeliest token.",
    "top_k": "Draw among so many likeliest tokens; 0: all.",
    "top_p": "Draw among the fewest with this probability; 1: all.",
    "seed": "The same seed writes the same text.",
    "overflow": "At the model's length: `stop`, or `roll` on from the newer "
    "half.",
}
_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_flags(values) -> None:
    """Defines one flag for each setting."""
    for name, setting in SETTINGS.items():
        _DEFINE[type(setting.default)](
            name, setting.default, _HELP[name], flag_values=values
        )


def settings(values) -> dict:
    """Returns the settings for `TextGenerator.generate`."""
    return {name: values[name].value for name in SETTINGS}

"""Writes on from a prompt.

    python -m tools.generate --model_dir=runs/quickstart --prompt='The '
"""

import sys

from absl import flags

from gpt_keras.cli import program
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the model.")
_PROMPT = flags.DEFINE_multi_string(
    "prompt", None, "Text to go on from; several times for several texts."
)
_MAX_NEW_TOKENS = flags.DEFINE_integer("max_new_tokens", 100, "At the most.")
_TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "0 always takes the likeliest token."
)
_TOP_K = flags.DEFINE_integer("top_k", 0, "Likeliest tokens kept; 0: all.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Probability kept; 1: all.")
_SEED = flags.DEFINE_integer("seed", 0, "The same seed writes the same text.")
_OVERFLOW = flags.DEFINE_enum(
    "overflow", "stop", ["stop", "roll"], "What to do at the model's length."
)


def main(argv):
    del argv
    generator = TextGenerator(
        load_model(_MODEL_DIR.value), load_tokenizer(_MODEL_DIR.value)
    )
    completions = generator.generate(
        _PROMPT.value or [""],
        max_new_tokens=_MAX_NEW_TOKENS.value,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        top_p=_TOP_P.value,
        seed=_SEED.value,
        overflow=_OVERFLOW.value,
    )
    for completion in completions:
        print(completion.prompt + completion.text)
        if completion.finish_reason == "max_length":
            print(
                "(stopped at the model's max_length; --overflow=roll goes on)",
                file=sys.stderr,
            )


def run():
    """Runs the program."""
    flags.mark_flag_as_required("model_dir")
    program.run(main)

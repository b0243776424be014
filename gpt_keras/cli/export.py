"""Exports a trained model for TF Serving.

    python -m tools.export --model_dir=runs/quickstart \\
        --output=saved_models/quickstart
"""

from absl import flags

from gpt_keras.cli import program
from gpt_keras.serving.export import export_saved_model
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the model.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder that gets the next version, saved_models/NAME."
)
_MAX_NEW_TOKENS = flags.DEFINE_integer("max_new_tokens", 100, "Of a completion.")
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of a completion.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Of a completion.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Of a completion.")
_SEED = flags.DEFINE_integer("seed", 0, "Of a completion.")


def main(argv):
    del argv
    path = export_saved_model(
        load_model(_MODEL_DIR.value),
        load_tokenizer(_MODEL_DIR.value),
        _OUTPUT.value,
        max_new_tokens=_MAX_NEW_TOKENS.value,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        top_p=_TOP_P.value,
        seed=_SEED.value,
    )
    print(path)


def run():
    """Runs the program."""
    flags.mark_flag_as_required("model_dir")
    flags.mark_flag_as_required("output")
    program.run(main)

"""Exports a trained model for TF Serving.

    python -m tools.export --model_dir=runs/quickstart \\
        --output=saved_models/quickstart
"""

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli import sampling
from gpt_keras.serving.export import export_saved_model
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model


def define_flags(values):
    """Defines the program's flags; the sampling ones are the defaults."""
    flags.DEFINE_string(
        "model_dir",
        None,
        "Folder of the model.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder that gets the next version: saved_models/NAME.",
        flag_values=values,
        required=True,
    )
    sampling.define_flags(values)


def main(values):
    """Prints the path of the new version."""
    path = export_saved_model(
        load_model(values.model_dir),
        load_tokenizer(values.model_dir),
        values.output,
        **sampling.settings(values),
    )
    print(path)


def run():
    """Runs the program."""
    program.run(define_flags, main)

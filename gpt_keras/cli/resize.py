"""Gives a trained model another context, more special tokens, or padding.

    python -m tools.resize --model_dir=runs/quickstart --output=runs/longer \\
        --max_length=256

What the model computed before it computes still: see `gpt_keras/weights`.
"""

from absl import flags

from gpt_keras.cli import convert
from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.files import new_folder
from gpt_keras.text.special_tokens import with_special_tokens
from gpt_keras.weights.surgery import add_tokens
from gpt_keras.weights.surgery import pad_vocabulary
from gpt_keras.weights.surgery import resize_context


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    flags.DEFINE_string(
        "output",
        None,
        "Folder of the new model, new or empty.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_integer(
        "max_length", None, "Of the new model, in tokens.", flag_values=values
    )
    flags.DEFINE_list(
        "add_special_tokens",
        [],
        "Names, separated by commas, that get the ids after the last one.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "vocab_multiple",
        None,
        "Pad the rows of the vocabulary to a multiple of this, or of 1.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed", 0, "Of the embeddings of new tokens.", flag_values=values
    )


def main(values):
    """Writes the new folder, and prints how to train on."""
    names = values.add_special_tokens
    sizes = (values.max_length, values.vocab_multiple)
    if not names and sizes == (None, None):
        raise ValueError(
            "At least one of `max_length`, `add_special_tokens` and "
            "`vocab_multiple` must be given. Received: none"
        )
    model, tokenizer = read_model(values.model_dir, best=values.best)
    if names:
        tokenizer = with_special_tokens(tokenizer, names)
        model = add_tokens(model, len(names), values.seed)
    if values.vocab_multiple is not None:
        model = pad_vocabulary(model, values.vocab_multiple)
    if values.max_length is not None:
        model = resize_context(model, values.max_length)
    _write(model, tokenizer, values)


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _write(model, tokenizer, values):
    with new_folder(values.output) as folder:
        convert.write_model(folder, model, tokenizer, "gpt_keras")
    print(
        f"{values.output}: {model.vocab_size} ids in {model.padded_vocab_size} "
        f"rows, max_length {model.max_length}. To train on: "
        f"--init_from={values.output} --max_length={model.max_length} "
        f"--vocab_multiple={model.vocab_multiple}"
    )

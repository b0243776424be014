"""A tiny GPT-2 with a tokenizer, for the tests of conversions."""

from weights_testing import random_model

from gpt_keras.cli import convert
from gpt_keras.cli import program
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "one two three 四五 " * 50


def tiny_tokenizer():
    """Byte pairs, 270 of them."""
    return train_byte_pair([TEXT], 270)


def tiny_model(**arguments):
    """A GPT-2 for `tiny_tokenizer`."""
    return random_model(**{"vocab_size": 270, "max_length": 16} | arguments)


def write(folder, format, tokenizer=None, **arguments):
    """Writes the two into a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    tokenizer = tokenizer or tiny_tokenizer()
    convert.write_model(folder, tiny_model(**arguments), tokenizer, format)
    return folder


def run_convert(source, to, *arguments):
    """Runs the program."""
    return convert.main(
        program.parse(
            convert.define_flags, f"--from={source}", f"--to={to}", *arguments
        )
    )

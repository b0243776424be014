r"""Makes a folder of tokens out of text, to be trained on once or often.

    python -m tools.prepare --output=tokens/reference --workers=2

Stopped or killed, the same command goes on. `python -m tools.train --tokens=…`
trains on one folder or on several, mixed by weight.
"""

import dataclasses

from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import program
from gpt_keras.cli.pair_data import left_out_lines
from gpt_keras.cli.training_data import prepare_data
from gpt_keras.config import TrainConfig
from gpt_keras.data.store_report import read_report
from gpt_keras.data.store_report import report_lines
from gpt_keras.data.store_report import update_report
from gpt_keras.data.token_store import TokenStore

_FIELDS = (
    "text",
    "errors",
    "tfds",
    "tfds_split",
    "tfds_field",
    "pairs",
    "pair_form",
    "pair_columns",
    "response_pattern",
    "template",
    "validation_pairs",
    "validation_files",
    "hold_out_by",
    "tokenizer",
    "vocab_size",
    "validation_fraction",
    "split_by",
    "seed",
    "workers",
    "verify_tokens",
    "max_length",
)
# The fields of `TrainConfig` that say what the tokens are, with its defaults.
DataConfig = dataclasses.make_dataclass(
    "DataConfig",
    [
        (
            field.name,
            field.type,
            dataclasses.field(default=field.default, metadata=field.metadata),
        )
        for field in dataclasses.fields(TrainConfig)
        if field.name in _FIELDS
    ],
    frozen=True,
)


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_string(
        "output",
        None,
        "Folder of the tokens; the same one goes on where it was stopped.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_boolean(
        "report",
        False,
        "Report on the tokens in --output anew, and prepare nothing.",
        flag_values=values,
    )
    config_flags.define(DataConfig, values)


def main(values):
    """Prepares and reports; returns the exit status."""
    chosen = config_flags.collect(DataConfig(), values)
    config = TrainConfig(**dataclasses.asdict(chosen))
    if values.report:
        store = TokenStore(values.output, config.verify_tokens or None)
    else:
        _, store = prepare_data(config, values.output)
    report = read_report(store)
    if values.report or report is None:
        report = update_report(store, config.max_length)
    for line in [*report_lines(report), *left_out_lines(store.manifest)]:
        print(line)
    print(f"tokens: {values.output}")
    return 0


def run():
    """Runs the program."""
    program.run(define_flags, main)

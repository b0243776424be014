r"""Trains a GPT on text.

    python -m tools.train --recipe=quickstart --model_dir=runs/quickstart
    python -m tools.train --recipe=shakespeare_char --text='books/*.txt' \
        --model_dir=runs/books

The same command goes on from the last checkpoint.
"""

import math
import pathlib

import tensorflow as tf
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import model_source
from gpt_keras.cli import program
from gpt_keras.cli.batching import make_batches
from gpt_keras.config import TrainConfig
from gpt_keras.data import sources
from gpt_keras.data.preparation import bytes_per_token
from gpt_keras.data.preparation import prepare
from gpt_keras.data.preparation import unigram_entropy
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.files import write_atomically
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.recipes import RECIPES
from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training import trainer
from gpt_keras.training.curves import draw_curves
from gpt_keras.training.model_folder import check_free
from gpt_keras.training.run_log import read_metrics
from gpt_keras.training.strategy import choose_strategy


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_enum(
        "recipe",
        "quickstart",
        list(RECIPES),
        "Settings to begin with; any other flag overrides its own.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "model_dir",
        None,
        "Folder of the run; the same one goes on with it.",
        flag_values=values,
        required=True,
    )
    config_flags.define(TrainConfig, values)


def main(values):
    """Trains; returns the exit status."""
    config = TrainConfig.from_flags(RECIPES[values.recipe], values)
    folder = pathlib.Path(values.model_dir)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = choose_strategy(config.logical_cpus)
    tokenizer, store = prepare_data(config, folder / "tokens")
    splits = {name: store.split(name) for name in store.split_names}
    for name, split in splits.items():
        print(f"{name}: {split.num_tokens:,} tokens")
    batches = make_batches(config, splits)
    check_free(folder, config, tokenizer.vocab_size)
    tokenizer.save(folder)
    write_atomically(
        folder / "flagfile.txt",
        f"--recipe={values.recipe}\n" + config_flags.flagfile(config),
    )
    _, finished = trainer.train(
        config,
        folder,
        vocab_size=tokenizer.vocab_size,
        end_of_text_id=tokenizer.end_of_text_id,
        training_batches=batches.training,
        validation_batches=batches.validation,
        sample=_sampler(config, tokenizer),
        bytes_per_token=bytes_per_token(
            splits.get("validation", splits["train"]), tokenizer
        ),
        tokens_per_batch=batches.tokens_per_batch,
        load_weights=model_source.load_weights,
        strategy=strategy,
    )
    _report(folder, splits)
    return 0 if finished else 130  # as a shell reports a stopped program


def prepare_data(config: TrainConfig, directory):
    """Returns the tokenizer and the token store that a configuration names."""
    kind = {"tokenizer": config.tokenizer}
    if config.init_from:
        kind["tokenizer"] = model_source.read_tokenizer(config.init_from)
    elif config.tokenizer == "byte_pair":
        kind["vocab_size"] = config.vocab_size
    elif config.tokenizer != "character":
        kind["tokenizer"] = tokenizer_of(pathlib.Path(config.tokenizer))
    return prepare(
        _source(config),
        directory,
        split=ValidationSplit(
            config.validation_fraction, config.split_by, config.seed
        ),
        **kind,
    )


def _source(config: TrainConfig):
    if config.text:
        return sources.TextFiles(config.text, config.errors)
    if config.tfds:
        return sources.TensorFlowDataset(
            config.tfds, config.tfds_split, config.tfds_field or None
        )
    return sources.PythonReference()


def tokenizer_of(folder: pathlib.Path):
    """Reads tokenizer.json, or GPT-2's files under either pair of names."""
    if not folder.is_dir():
        raise ValueError(
            "`tokenizer` must be byte_pair, character or a folder. "
            f"Received: tokenizer={str(folder)!r}, which is none."
        )
    return read_gpt2_folder(folder) or load_tokenizer(folder)


def _sampler(config: TrainConfig, tokenizer):
    generators = {}

    def sample(model):
        if not generators:
            generators["text"] = TextGenerator(model, tokenizer)
        result = generators["text"].generate(
            config.sample_prompt,
            max_new_tokens=100,
            top_k=40,
            overflow="roll",
            seed=config.seed,
        )
        return result.prompt + result.text

    return sample


def _report(folder, splits):
    """Prints where the run stands and draws its curves."""
    losses = [x.get("val_loss") for x in read_metrics(folder)]
    losses = [loss for loss in losses if loss is not None]
    entropy = None
    if "validation" in splits:
        entropy = unigram_entropy(splits["validation"])
        print(f"unigram entropy of the validation text: {entropy:.4f} nats")
    if losses:
        print(
            f"validation loss: {losses[-1]:.4f} nats per token, "
            f"perplexity {math.exp(losses[-1]):.2f}"
        )
    print(f"curves: {draw_curves(folder, entropy)}")


def run():
    """Runs the program."""
    program.run(define_flags, main)

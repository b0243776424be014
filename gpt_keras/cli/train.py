r"""Trains a GPT on text.

    python -m tools.train --recipe=quickstart --model_dir=runs/quickstart
    python -m tools.train --recipe=shakespeare_char --text='books/*.txt' \
        --model_dir=runs/books

The same command goes on from the last checkpoint. On several hosts each runs
it, and is told of the others by `TF_CONFIG`, or by --hosts and --host_index.
"""

import dataclasses
import functools
import math
import pathlib

import tensorflow as tf
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import model_source
from gpt_keras.cli import program
from gpt_keras.config import TrainConfig
from gpt_keras.data import pipeline
from gpt_keras.data import sources
from gpt_keras.data.preparation import bytes_per_token
from gpt_keras.data.preparation import prepare
from gpt_keras.data.preparation import unigram_entropy
from gpt_keras.data.shared_store import open_shared
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.files import write_atomically
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.recipes import RECIPES
from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training import trainer
from gpt_keras.training.cluster import find_cluster
from gpt_keras.training.curves import draw_curves
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.installation import installed
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
    flags.DEFINE_string(
        "hosts",
        "",
        "HOST:PORT,HOST:PORT,… of all hosts, the chief first; in the place of "
        "TF_CONFIG.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "host_index",
        None,
        "Which of --hosts this one is, from 0.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "hosts_wait",
        600.0,
        "Seconds to wait for the other hosts at the start.",
        lower_bound=1.0,
        flag_values=values,
    )
    config_flags.define(TrainConfig, values)


def main(values):
    """Trains; returns the exit status."""
    config = TrainConfig.from_flags(RECIPES[values.recipe], values)
    cluster = find_cluster(values.hosts, values.host_index)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = choose_strategy(config.logical_cpus, cluster, values.hosts_wait)
    hosts = Hosts(strategy)
    with hosts.guarded():
        finished = _train(config, values, strategy, hosts)
        hosts.part()
    return 0 if finished else 130  # as a shell reports a stopped program


def _train(config: TrainConfig, values, strategy, hosts: Hosts) -> bool:
    """Trains, on every host; returns whether to the last step."""
    folder = pathlib.Path(values.model_dir)
    settings = dataclasses.asdict(config).items()
    hosts.check_same(
        {**{f"--{name}": x for name, x in settings}, **installed()}
    )
    tokenizer, store = _data_of_all(config, folder / "tokens", hosts)
    splits = {name: store.split(name) for name in store.split_names}
    if hosts.is_chief:
        for name, split in splits.items():
            print(f"{name}: {split.num_tokens:,} tokens")

    def training_batches(first_step, num_steps):
        return hosts.spread(
            functools.partial(
                pipeline.training_batches,
                splits["train"],
                length=config.max_length,
                batch_size=config.batch_size,
                seed=config.seed,
                start_step=first_step,
                num_steps=num_steps,
            )
        )

    def begin_folder():
        check_free(folder, config, tokenizer.vocab_size)
        tokenizer.save(folder)
        write_atomically(
            folder / "flagfile.txt",
            f"--recipe={values.recipe}\n" + config_flags.flagfile(config),
        )

    # A corpus that is too short is told now.
    hosts.together(lambda: training_batches(0, 1))
    hosts.on_chief(begin_folder)
    _, finished = trainer.train(
        config,
        folder,
        vocab_size=tokenizer.vocab_size,
        training_batches=training_batches,
        validation_batches=_validation_batches(config, splits, hosts),
        sample=_sampler(config, tokenizer),
        bytes_per_token=bytes_per_token(
            splits.get("validation", splits["train"]), tokenizer
        ),
        load_weights=model_source.load_weights,
        strategy=strategy,
    )
    hosts.on_chief(lambda: _report(folder, splits))
    return finished


def _data_of_all(config: TrainConfig, directory, hosts: Hosts):
    """Returns tokenizer and store on every host; the chief prepares them."""
    data = hosts.on_chief(lambda: prepare_data(config, directory))
    sha256 = hosts.from_chief(data and data[1].manifest["sha256"])
    return hosts.together(lambda: data or open_shared(directory, sha256))


def prepare_data(config: TrainConfig, directory):
    """Returns the tokenizer and the token store that a configuration names."""
    kind = {"tokenizer": config.tokenizer}
    if config.init_from:
        kind["tokenizer"] = model_source.read_tokenizer(config.init_from)
    elif config.tokenizer == "byte_pair":
        kind["vocab_size"] = config.vocab_size
    elif config.tokenizer != "character":
        kind["tokenizer"] = _tokenizer_of(pathlib.Path(config.tokenizer))
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


def _tokenizer_of(folder: pathlib.Path):
    """Reads tokenizer.json, or GPT-2's files under either pair of names."""
    if not folder.is_dir():
        raise ValueError(
            "`tokenizer` must be byte_pair, character or a folder. "
            f"Received: tokenizer={str(folder)!r}, which is none."
        )
    return read_gpt2_folder(folder) or load_tokenizer(folder)


def _validation_batches(config: TrainConfig, splits, hosts: Hosts):
    if "validation" not in splits:
        return None
    return hosts.spread(
        functools.partial(
            pipeline.validation_batches,
            splits["validation"],
            length=config.max_length,
            batch_size=config.batch_size,
            max_batches=config.validation_batches or None,
        ),
        is_endless=False,
    )


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

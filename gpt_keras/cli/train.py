r"""Trains a GPT on text.

    python -m tools.train --recipe=quickstart --model_dir=runs/quickstart
    python -m tools.train --recipe=shakespeare_char --text='books/*.txt' \
        --model_dir=runs/books

The same command goes on from the last checkpoint. On several hosts each runs
it, and is told of the others by `TF_CONFIG`, or by --hosts and --host_index.
"""

import dataclasses
import math
import pathlib
import signal

import tensorflow as tf
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import model_source
from gpt_keras.cli import program
from gpt_keras.cli.batching import make_batches
from gpt_keras.cli.batching import validation_batches
from gpt_keras.cli.generation_metrics import make_measure
from gpt_keras.cli.training_data import TrainingData
from gpt_keras.cli.training_data import claim_data
from gpt_keras.cli.training_data import read_data
from gpt_keras.cli.training_data import read_shared_data
from gpt_keras.config import TrainConfig
from gpt_keras.data.preparation import bytes_per_token
from gpt_keras.data.preparation import unigram_entropy
from gpt_keras.files import write_atomically
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.recipes import RECIPES
from gpt_keras.training import trainer
from gpt_keras.training.cluster import find_cluster
from gpt_keras.training.curves import draw_curves
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.installation import installed
from gpt_keras.training.model_folder import check_free
from gpt_keras.training.run_log import read_metrics
from gpt_keras.training.stop_signals import StopSignals
from gpt_keras.training.strategy import choose_strategy


def define_flags(values):
    """Defines the program's flags."""
    program.define_recipe(values)
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
    stop = StopSignals(hosts)
    with hosts.guarded():
        finished = _train(config, values, strategy, hosts, stop)
        hosts.part()
    # As a shell reports a program that a signal stopped.
    return 0 if finished else 128 + (stop.received or signal.SIGINT)


def _train(
    config: TrainConfig, values, strategy, hosts: Hosts, stop: StopSignals
) -> bool:
    """Trains, on every host; returns whether to the last step."""
    folder = pathlib.Path(values.model_dir)
    settings = dataclasses.asdict(config).items()
    hosts.check_same(
        {**{f"--{name}": x for name, x in settings}, **installed()}
    )
    data = _data_of_all(config, folder, hosts)
    tokenizer, splits = data.tokenizer, data.splits
    batches = hosts.together(
        lambda: make_batches(
            config, splits, data.mixture, hosts.spread, data.loss
        )
    )
    if hosts.is_chief:
        print(*data.lines, *batches.lines, sep="\n")

    measure = hosts.on_chief(lambda: make_measure(config, tokenizer))

    def begin_folder():
        check_free(folder, config, tokenizer.vocab_size)
        claim_data(data, folder)
        tokenizer.save(folder)
        write_atomically(
            folder / "flagfile.txt",
            f"--recipe={values.recipe}\n" + config_flags.flagfile(config),
        )

    hosts.on_chief(begin_folder)
    model, finished = trainer.train(
        config,
        folder,
        vocab_size=tokenizer.vocab_size,
        end_of_text_id=tokenizer.end_of_text_id,
        training_batches=batches.training,
        validation_batches=batches.validation,
        # A prompt of plain text isn't what a model of pairs was trained on.
        sample=None if data.loss else _sampler(config, tokenizer),
        measure=measure,
        bytes_per_token=bytes_per_token(
            splits.get("validation", splits["train"]),
            tokenizer,
            data.loss,
        ),
        tokens_per_batch=batches.tokens_per_batch,
        load_weights=model_source.load_weights,
        strategy=strategy,
        stop=stop,
    )
    hosts.on_chief(lambda: _report(folder, splits, data.loss))
    if finished:
        _report_parts(config, model, data, hosts)
    return finished


def _data_of_all(config: TrainConfig, folder, hosts: Hosts) -> TrainingData:
    """Returns what every host reads; the chief prepares it."""
    data = hosts.on_chief(lambda: read_data(config, folder))
    identity = hosts.from_chief(data and data.identity)
    return hosts.together(
        lambda: data or read_shared_data(config, folder, identity)
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


def _report(folder, splits, loss):
    """Prints where the run stands and draws its curves."""
    losses = [x.get("val_loss") for x in read_metrics(folder)]
    losses = [loss for loss in losses if loss is not None]
    entropy = None
    if "validation" in splits and loss is None:
        entropy = unigram_entropy(splits["validation"])
        print(f"unigram entropy of the validation text: {entropy:.4f} nats")
    if losses:
        print(
            f"validation loss: {losses[-1]:.4f} nats per token, "
            f"perplexity {math.exp(losses[-1]):.2f}"
        )
    print(f"curves: {draw_curves(folder, entropy)}")


def _report_parts(config, model, data: TrainingData, hosts: Hosts):
    """Prints the validation loss of each of the sources that were mixed."""
    for name, split in data.validation_parts.items():
        batches = validation_batches(config, split, hosts.spread, data.loss)
        found = model.evaluate(batches, verbose=0, return_dict=True)
        if hosts.is_chief:
            print(f"validation loss of {name}: {found['loss']:.4f}")


def run():
    """Runs the program."""
    program.run(define_flags, main)

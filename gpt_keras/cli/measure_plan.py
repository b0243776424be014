r"""Compares plans of training runs with the runs.

    python -m tools.measure_plan
    python -m tools.measure_plan --configurations=medium --microbatches=4 \
        --remat --json=plan.json

Each configuration is planned as `tools.plan --device=this` does it. Then
`training.trainer` takes a few steps of it, in a process of its own, on random
tokens: how long one takes, and the peak of the process' memory above that of
the imports. The exit status is 1 where one is off by more than `--time_limit`
or `--memory_limit`. Run it on a machine that does nothing else.
"""

import dataclasses
import functools
import json
import statistics
import tempfile

import tensorflow as tf
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import program
from gpt_keras.cli.plan import measured_steps
from gpt_keras.cli.plan import step_of
from gpt_keras.cli.plan import this_device
from gpt_keras.cli.process_memory import memory
from gpt_keras.cli.synthetic_batches import synthetic_batches
from gpt_keras.config import TrainConfig
from gpt_keras.files import write_atomically
from gpt_keras.planning.plan import make_plan
from gpt_keras.recipes import MODEL_PRESETS
from gpt_keras.recipes import RECIPES
from gpt_keras.training import device_facts
from gpt_keras.training import trainer
from gpt_keras.training.run_log import read_metrics

_GPT2 = MODEL_PRESETS["gpt2_small"]
# What is measured, by name: 0.8M, 11M and 124M parameters.
CONFIGURATIONS = {
    "small": dataclasses.replace(
        RECIPES["shakespeare_char"], vocab_size=100, steps=200
    ),
    "medium": TrainConfig(
        **_GPT2
        | dict(d_model=384, num_heads=6, dff=1536, num_layers=6)
        | dict(max_length=256),
        vocab_size=1024,
        batch_size=8,
        steps=12,
        log_every=2,
    ),
    "gpt2_small": TrainConfig(
        **_GPT2 | {"max_length": 512},
        vocab_size=50257,
        batch_size=2,
        steps=6,
        log_every=1,
    ),
}
# So that the few steps are steps and nothing else.
_PLAIN = dict(
    warmup_steps=1,
    schedule="constant",
    validate_every=0,
    checkpoint_every=0,
    sample_every=0,
    peak_teraflops=1.0,  # else the run measures it
)


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_list(
        "configurations",
        list(CONFIGURATIONS),
        f"Some of {', '.join(CONFIGURATIONS)}.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "time_limit", 0.15, "How far the time may be off.", flag_values=values
    )
    flags.DEFINE_float(
        "memory_limit", 0.25, "The same of the memory.", flag_values=values
    )
    flags.DEFINE_string(
        "json", None, "File for all figures.", flag_values=values
    )
    flags.DEFINE_string(
        "only",
        None,
        "A configuration as JSON, to run in this process.",
        flag_values=values,
    )
    config_flags.define(TrainConfig, values)


def main(values):
    """Prints a row for each configuration; returns the exit status."""
    if values.only:
        print(json.dumps(measure(TrainConfig(**json.loads(values.only)))))
        return 0
    found = {}
    print(_HEADING)
    for name in values.configurations:
        config = TrainConfig.from_flags(_configuration(name), values)
        config = dataclasses.replace(config, **_PLAIN)
        found[name] = {
            "configuration": dataclasses.asdict(config),
            "predicted": predict(config),
            "measured": program.run_alone(
                __spec__.name, json.dumps(dataclasses.asdict(config))
            ),
        }
        print(_row(name, found[name]), flush=True)
    if values.json:
        write_atomically(values.json, json.dumps(found, indent=2) + "\n")
    limits = {"seconds": values.time_limit, "bytes": values.memory_limit}
    return max(
        int(abs(_off(figures, what)) > limit)
        for figures in found.values()
        for what, limit in limits.items()
    )


def predict(config: TrainConfig) -> dict[str, float]:
    """Returns parameters, seconds of a step and bytes, without the run."""
    config = dataclasses.replace(config, peak_teraflops=0.0)  # measured
    plan = make_plan(config, config.vocab_size, this_device(config))
    steps = measured_steps(plan, config.vocab_size)
    return {
        "parameters": plan.parameters.total,
        "seconds": step_of(plan, steps),
        "bytes": plan.memory.peak,
    }


def measure(config: TrainConfig) -> dict[str, float]:
    """Trains; returns the median time of a step and the peak of the memory."""
    tf.constant(0.0) + 1.0  # the runtime starts here
    on_cpu = not tf.config.list_physical_devices("GPU")
    before = memory("VmRSS")
    batches = functools.partial(synthetic_batches, config, config.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(
            config,
            folder,
            vocab_size=config.vocab_size,
            training_batches=batches,
        )
        lines = read_metrics(folder)
    if on_cpu:
        peak = memory("VmHWM") - before
    else:
        peak = device_facts.peak_memory()
    # The first line has the tracing in it.
    speed = statistics.median(x["tokens_per_second"] for x in lines[1:])
    tokens = config.batch_size * config.max_length
    return {"seconds": tokens / speed, "bytes": peak}


def _configuration(name: str) -> TrainConfig:
    if name not in CONFIGURATIONS:
        raise ValueError(
            f"`configurations` must be of {', '.join(CONFIGURATIONS)}. "
            f"Received: {name}"
        )
    return CONFIGURATIONS[name]


_HEADING = (
    "| configuration | parameters | step, predicted | measured | off "
    "| peak, predicted | measured | off |\n|---|---|---|---|---|---|---|---|"
)


def _row(name: str, figures: dict) -> str:
    cells = [name, f"{figures['predicted']['parameters'] / 1e6:.1f}M"]
    for what, unit, form in (("seconds", 1e-3, " ms"), ("bytes", 1e6, " MB")):
        cells += [
            f"{figures[side][what] / unit:,.0f}{form}"
            for side in ("predicted", "measured")
        ]
        cells.append(f"{_off(figures, what):+.0%}")
    return f"| {' | '.join(cells)} |"


def _off(figures: dict, what: str) -> float:
    """Returns the error of the prediction as a share of what was measured."""
    return figures["predicted"][what] / figures["measured"][what] - 1


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()

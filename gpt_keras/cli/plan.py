r"""Says what a training run needs, and takes, before it is begun.

    python -m tools.plan --recipe=quickstart --device=this
    python -m tools.plan --recipe=gpt2_small --device=h100 --devices=8 \
        --microbatches=4 --price_per_hour=3

Parameters, arithmetic, memory, time and cost, for every flag of `tools.train`.
The model isn't made. `--device=this` takes some steps of a small part of it, on
this machine; other devices are known by what their maker says, so that the
share of it that is reached is an assumption: `--utilization`.
"""

import dataclasses
import json
import os
import pathlib

import tensorflow as tf
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import model_source
from gpt_keras.cli import program
from gpt_keras.cli.synthetic_batches import synthetic_batches
from gpt_keras.cli.training_data import tokenizer_of
from gpt_keras.config import TrainConfig
from gpt_keras.files import write_atomically
from gpt_keras.planning import calibration
from gpt_keras.planning import timing
from gpt_keras.planning.devices import DEVICES
from gpt_keras.planning.devices import Device
from gpt_keras.planning.plan import Plan
from gpt_keras.planning.plan import make_plan
from gpt_keras.planning.plan import remedies
from gpt_keras.planning.table import Schedule
from gpt_keras.planning.table import as_json
from gpt_keras.planning.table import as_text
from gpt_keras.recipes import RECIPES
from gpt_keras.training.device_facts import peak_flops

THIS = "this"
# Of `--tokenizer=character`, whose vocabulary only the text knows.
CHARACTERS = 100


def define_flags(values):
    """Defines the program's flags."""
    program.define_recipe(values)
    flags.DEFINE_enum(
        "device",
        THIS,
        [THIS, *DEVICES],
        "What it runs on; `this` is measured.",
        flag_values=values,
    )
    flags.DEFINE_integer("devices", 1, "How many.", flag_values=values)
    flags.DEFINE_integer(
        "devices_per_host", 8, "How many in one host.", 1, flag_values=values
    )
    flags.DEFINE_float(
        "utilization",
        timing.UTILIZATION,
        "Share of the device's peak that the model's arithmetic reaches; "
        "assumed. Not of `this`.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "memory_gigabytes",
        0.0,
        "Of one device; 0: what its maker says, or this machine has.",
        0.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "link_gigabytes",
        0.0,
        "A second, from a device to the next; 0: what its maker says of "
        "devices in one host.",
        0.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "price_per_hour",
        0.0,
        "Of one device, in whatever currency.",
        0.0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "json", None, "File for all figures.", flag_values=values
    )
    config_flags.define(TrainConfig, values)


def main(values):
    """Prints the plan; returns the exit status, 1 where it doesn't fit."""
    _check(values)
    config = TrainConfig.from_flags(RECIPES[values.recipe], values)
    vocab_size = vocabulary(config, values["vocab_size"].value)
    device = _device(values, config)
    plan = make_plan(config, vocab_size, device, values.devices)
    schedule = _schedule(values, plan, vocab_size)
    print(as_text(plan, schedule))
    if values.json:
        content = json.dumps(as_json(plan, schedule), indent=2)
        write_atomically(values.json, content + "\n")
    if plan.fits:
        return 0
    print(f"\n{_refusal(plan, vocab_size)}")
    return 1


def vocabulary(config: TrainConfig, given: int | None) -> int:
    """Returns the size of the vocabulary that a run would have.

    Args:
        config: `TrainConfig`.
        given: What the user says; counts where only the text would tell.
    """
    if config.init_from:
        return model_source.read_tokenizer(config.init_from).vocab_size
    if config.tokenizer == "byte_pair":
        return config.vocab_size
    if config.tokenizer == "character":
        return given or CHARACTERS
    return tokenizer_of(pathlib.Path(config.tokenizer)).vocab_size


def measured_steps(
    plan: Plan, vocab_size: int
) -> dict[calibration.Point, float]:
    """Measures some steps on one device; returns the seconds of each."""
    work = plan.config.max_length * plan.arithmetic.model
    chosen = calibration.points(
        plan.config, plan.rows, work, plan.device.peak_flops(plan.width)
    )

    def batches(config, num_steps):
        return synthetic_batches(config, vocab_size, 0, num_steps)

    return {
        point: calibration.step_seconds(plan.config, point, vocab_size, batches)
        for point in chosen
    }


def step_of(plan: Plan, steps: dict[calibration.Point, float]) -> float:
    """Returns the seconds of the plan's step on one device, from measured."""
    rows = plan.rows * plan.config.microbatches
    return calibration.extrapolated(steps, plan.config.num_layers, rows)


def _check(values) -> None:
    if values.logical_cpus:
        raise ValueError(
            "`logical_cpus` divides one machine: plan without, and its memory "
            "is that of the devices together. Received: logical_cpus="
            f"{values.logical_cpus}"
        )
    if not 0 < values.utilization <= 1:
        raise ValueError(
            "`utilization` must be above 0 and at most 1. Received: "
            f"utilization={values.utilization}"
        )


def _device(values, config: TrainConfig) -> Device:
    """Returns the device that the flags name, `this` measured."""
    device = DEVICES.get(values.device) or this_device(config)
    if values.memory_gigabytes:
        memory = int(1e9 * values.memory_gigabytes)
        device = dataclasses.replace(device, memory=memory)
    if values.link_gigabytes:
        link = 1e9 * values.link_gigabytes
        device = dataclasses.replace(device, link=link)
    return device


def this_device(config: TrainConfig) -> Device:
    """Returns what TensorFlow would train on here, its products measured."""
    peak = config.peak_teraflops or peak_flops(config.dtype) / 1e12
    is_cpu = not tf.config.list_physical_devices("GPU")
    memory = None
    if is_cpu:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device(
        THIS,
        {2: peak, 4: peak},
        memory,
        is_cpu=is_cpu,
        source="measured: a large matrix product",
    )


def _schedule(values, plan: Plan, vocab_size: int) -> Schedule:
    if plan.device.name == THIS:
        steps = measured_steps(plan, vocab_size)
        seconds = {"model": step_of(plan, steps)}
        basis = "from measured steps (blocks × rows): " + ", ".join(
            f"{point.num_layers} × {point.rows}" for point in steps
        )
    else:
        basis = f"if {values.utilization:.0%} of the peak are reached"
        seconds = timing.assumed_seconds(
            plan.sizes,
            plan.config,
            plan.device,
            tokens=plan.device_tokens,
            width=plan.width,
            utilization=values.utilization,
        )
    if plan.devices > 1:
        seconds["exchange"] = timing.exchange_seconds(
            plan.parameters, plan.devices, plan.device.link
        )
        if not plan.device.link:
            basis += "; the exchange of gradients is not known"
        elif plan.devices > values.devices_per_host and (
            not values.link_gigabytes
        ):
            basis += "; hosts exchange as fast as devices of one"
    return Schedule(
        seconds, basis, values.price_per_hour, values.devices_per_host
    )


def _refusal(plan: Plan, vocab_size: int) -> str:
    memory = plan.memory
    room = plan.device.memory or 0  # known, where a plan does not fit
    parts = {
        name: getattr(memory, name)
        for name in ("weights", "slots", "averages", "gradients")
    }
    parts |= {"activations": memory.activations, "logits": memory.logits}
    largest = max(parts, key=parts.__getitem__)
    lines = [
        f"error: it does not fit: {memory.peak / 1e9:,.1f} GB of "
        f"{room / 1e9:,.1f}. The largest part is the {largest}, "
        f"{parts[largest] / 1e9:,.1f} GB. With these flags it would take:"
    ]
    found = remedies(plan, vocab_size)
    for given, peak in found.items():
        fits = "fits" if peak <= room else "does not fit"
        lines.append(f"  {given}: {peak / 1e9:,.1f} GB, {fits}")
    if not any(peak <= room for peak in found.values()):
        lines.append("  No flag is enough: a smaller model, or --max_length.")
    return "\n".join(lines)


def run():
    """Runs the program."""
    program.run(define_flags, main)

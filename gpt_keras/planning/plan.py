"""A configuration and a device in, what training will take out."""

import dataclasses
import math
from typing import Any

from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.architecture import Parameters
from gpt_keras.planning.architecture import architecture_of
from gpt_keras.planning.architecture import parameters_of
from gpt_keras.planning.arithmetic import Arithmetic
from gpt_keras.planning.arithmetic import arithmetic_of
from gpt_keras.planning.devices import Device
from gpt_keras.planning.memory import Memory
from gpt_keras.planning.memory import chunk_of
from gpt_keras.planning.memory import compute_width
from gpt_keras.planning.memory import memory_of
from gpt_keras.planning.runtime import runtime_bytes

# The share of the peak that a flag must save to be named.
_WORTH_IT = 0.01
# Whose logits are fast to make, and small.
_FEW_TOKENS = 256


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run needs before its time is known.

    Attributes:
        config: `TrainConfig`.
        sizes: Of the model.
        parameters: By part.
        arithmetic: Of one token.
        memory: Of one device.
        device: What it runs on.
        devices: How many of them.
    """

    config: Any
    sizes: Architecture
    parameters: Parameters
    arithmetic: Arithmetic
    memory: Memory
    device: Device
    devices: int

    @property
    def rows(self) -> int:
        """Sequences of a microbatch on one device."""
        parts = self.devices * self.config.microbatches
        return self.config.batch_size // parts

    @property
    def device_tokens(self) -> int:
        """Tokens of a step on one device."""
        return self.rows * self.config.microbatches * self.config.max_length

    @property
    def step_tokens(self) -> int:
        """Tokens of a step on all devices."""
        return self.config.batch_size * self.config.max_length

    @property
    def tokens(self) -> int:
        """Tokens of the whole run, each as often as it is trained on."""
        return self.config.steps * self.step_tokens

    @property
    def chunk_tokens(self) -> int:
        """Tokens whose logits are there at a time."""
        tokens = self.rows * self.config.max_length
        return chunk_of(self.sizes, self.config, tokens)

    @property
    def width(self) -> int:
        """Bytes of a number in the compute dtype."""
        return compute_width(self.config.dtype)

    @property
    def fits(self) -> bool:
        """Whether the memory of a device is enough, or not known."""
        return self.device.memory is None or (
            self.memory.peak <= self.device.memory
        )

    def utilization(self, step_seconds: float) -> float:
        """Returns the share of the peak that the model's arithmetic takes."""
        peak = self.device.peak_flops(self.width)
        work = self.device_tokens * self.arithmetic.model
        return work / (step_seconds * peak)


def make_plan(config, vocab_size: int, device: Device, devices: int = 1):
    """Returns the `Plan` of a configuration.

    No model is made for it, so it takes no time at any size.

    Args:
        config: `TrainConfig`.
        vocab_size: Of the tokenizer.
        device: What it runs on.
        devices: How many of them; each has the whole model and a part of the
            batch.

    Raises:
        ValueError: There is no such model, the batch can't be spread evenly,
            or the device has no such numbers.
    """
    if devices < 1:
        raise ValueError(
            f"`devices` must be positive. Received: devices={devices}"
        )
    if config.batch_size % (devices * config.microbatches):
        raise ValueError(
            "`batch_size` must be a multiple of the number of devices times "
            f"`microbatches`. Received: batch_size={config.batch_size}, "
            f"devices={devices}, microbatches={config.microbatches}"
        )
    if "bfloat16" in config.dtype and not device.has_bfloat16:
        raise ValueError(
            f"A {device.name} has no products of bfloat16: plan with "
            f"dtype='mixed_float16'. Received: dtype={config.dtype!r}"
        )
    sizes = architecture_of(config, vocab_size)
    rows = config.batch_size // (devices * config.microbatches)
    return Plan(
        config=config,
        sizes=sizes,
        parameters=parameters_of(sizes),
        arithmetic=arithmetic_of(sizes, config.max_length),
        memory=memory_of(
            sizes, config, rows, runtime_bytes(sizes, config, device)
        ),
        device=device,
        devices=devices,
    )


def remedies(plan: Plan, vocab_size: int) -> dict[str, int]:
    """Returns the bytes at the peak with flags that need less memory.

    They are tried one after the other, and kept if they save something, until
    a plan fits.
    """
    found, config, given = {}, plan.config, []
    peak = plan.memory.peak
    for flag, changes in _less(plan):
        changed = dataclasses.replace(config, **changes)
        less = make_plan(changed, vocab_size, plan.device, plan.devices)
        if less.memory.peak > (1 - _WORTH_IT) * peak:
            continue
        config, peak = changed, less.memory.peak
        given = [x for x in given if x.split("=")[0] != flag.split("=")[0]]
        given.append(flag)
        found[" ".join(given)] = peak
        if less.fits:
            break
    return found


def _less(plan: Plan):
    """Gives flags and changes, those first that cost least."""
    config = plan.config
    if plan.chunk_tokens > _FEW_TOKENS:
        yield f"--chunk_tokens={_FEW_TOKENS}", {"chunk_tokens": _FEW_TOKENS}
    for factor in _divisors(plan.rows)[1:]:
        count = factor * config.microbatches
        yield f"--microbatches={count}", {"microbatches": count}
    if config.dtype == "float32":
        kind = "bfloat16" if plan.device.has_bfloat16 else "float16"
        yield f"--dtype=mixed_{kind}", {"dtype": f"mixed_{kind}"}
    if not config.remat:
        yield "--remat", {"remat": True}
    if config.ema_decay:
        yield "--ema_decay=0", {"ema_decay": 0.0}


def _divisors(number: int) -> list[int]:
    small = [x for x in range(1, math.isqrt(number) + 1) if number % x == 0]
    return sorted({*small, *(number // x for x in small)})

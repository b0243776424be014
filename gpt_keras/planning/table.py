"""A plan and the seconds of its step in, a table and a JSON object out."""

import dataclasses

from gpt_keras.planning.plan import Plan

# What each part of the memory is, in words.
_MEMORY = {
    "weights": "float32",
    "slots": "of the optimizer",
    "averages": "of the weights",
    "data": "batches made ahead",
    "runtime": "program, beside its tensors",
    "gradients": "float32, by the end of the backward pass",
    "activations": "kept for the backward pass",
    "logits": "of {chunk_tokens:,} tokens at a time",
}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What a run takes in time.

    Attributes:
        seconds: Of a step, by part.
        basis: Where they are from, in words.
        price_per_hour: Of one device; 0: not known.
        devices_per_host: How many stand in one host.
    """

    seconds: dict[str, float]
    basis: str
    price_per_hour: float = 0.0
    devices_per_host: int = 8

    @property
    def step_seconds(self) -> float:
        """All parts of a step, one after the other."""
        return sum(self.seconds.values())


def as_json(plan: Plan, schedule: Schedule) -> dict:
    """Returns all figures of a plan, in operations, bytes and seconds."""
    hours = plan.config.steps * schedule.step_seconds / 3600
    return {
        "device": dataclasses.asdict(plan.device),
        "devices": plan.devices,
        "hosts": -(-plan.devices // schedule.devices_per_host),
        "sizes": dataclasses.asdict(plan.sizes),
        "parameters": {
            **plan.parameters.parts,
            "total": plan.parameters.total,
            "trained": plan.parameters.trained,
        },
        "flops_per_token": {
            **dataclasses.asdict(plan.arithmetic),
            "model": plan.arithmetic.model,
        },
        "memory_bytes": {
            **dataclasses.asdict(plan.memory),
            "standing": plan.memory.standing,
            "fullest": plan.memory.fullest,
            "peak": plan.memory.peak,
        },
        "fits": plan.fits,
        "steps": plan.config.steps,
        "tokens": plan.tokens,
        "tokens_per_step": plan.step_tokens,
        "seconds_per_step": {
            **schedule.seconds,
            "total": schedule.step_seconds,
        },
        "basis": schedule.basis,
        "tokens_per_second": plan.step_tokens / schedule.step_seconds,
        "model_flops_utilization": plan.utilization(schedule.step_seconds),
        "hours": hours,
        "cost": hours * plan.devices * schedule.price_per_hour,
    }


def as_text(plan: Plan, schedule: Schedule) -> str:
    """Returns the figures of a plan as a table to read."""
    parts = (_parameters, _arithmetic, _memory)
    lines = [line for part in parts for line in [*part(plan), ""]]
    return "\n".join([*lines, *_time(plan, schedule)])


def _parameters(plan: Plan):
    parameters = plan.parameters
    yield _row("parameters", _count(parameters.total), f"{parameters.total:,}")
    for name, count in parameters.parts.items():
        if count:
            share = f"{count / parameters.total:.0%}"
            yield _row(f"  {_words(name)}", _count(count), share)
    if parameters.trained != parameters.total:
        yield _row("  of them trained", _count(parameters.trained), "")


def _arithmetic(plan: Plan):
    work = plan.arithmetic
    length = plan.config.max_length
    yield _row("operations per token", _count(work.model), "")
    yield _row("  forward", _count(work.forward), "")
    yield _row(
        "  forward, attention",
        _count(work.forward_attention),
        f"for a length of {length:,}",
    )
    yield _row("  backward", _count(work.backward), "")
    yield _row("  backward, attention", _count(work.backward_attention), "")
    if work.recomputed:
        yield _row(
            "  computed again", _count(work.recomputed), "remat; not counted"
        )


def _memory(plan: Plan):
    memory = plan.memory
    limit = plan.device.memory
    note = f"of {_bytes(limit)}" if limit else "the device's is not known"
    yield _row(
        "memory of a device, peak",
        _bytes(memory.peak),
        f"{note}, in the {memory.fullest}",
    )
    for name, text in _MEMORY.items():
        if getattr(memory, name):
            text = text.format(chunk_tokens=plan.chunk_tokens)
            yield _row(f"  {name}", _bytes(getattr(memory, name)), text)
    for name, count in memory.moments.items():
        yield _row(f"  all in the {name}", _bytes(memory.standing + count), "")


def _time(plan: Plan, schedule: Schedule):
    config, device = plan.config, plan.device
    step = schedule.step_seconds
    hosts = -(-plan.devices // schedule.devices_per_host)
    yield _row(
        "devices",
        f"{plan.devices} × {device.name}",
        f"{hosts} host{'s' if hosts > 1 else ''}",
    )
    yield _row(
        "rows on a device",
        f"{config.microbatches} × {plan.rows}",
        f"of {config.max_length:,} tokens",
    )
    yield _row("time of a step", _seconds(step), schedule.basis)
    if len(schedule.seconds) > 1:
        for name, seconds in schedule.seconds.items():
            if seconds:
                yield _row(f"  {name}", _seconds(seconds), "")
    yield _row("tokens a second", f"{plan.step_tokens / step:,.0f}", "")
    yield _row(
        "utilisation",
        f"{plan.utilization(step):.0%}",
        f"of {device.peak_flops(plan.width) / 1e12:,.3g} teraflops",
    )
    per_parameter = plan.tokens / plan.parameters.total
    yield _row(
        "tokens", _count(plan.tokens), f"{per_parameter:,.3g} per parameter"
    )
    total = config.steps * step
    yield _row("time of the run", _seconds(total), f"{config.steps:,} steps")
    if schedule.price_per_hour:
        hours = total / 3600 * plan.devices
        yield _row(
            "cost",
            f"{hours * schedule.price_per_hour:,.2f}",
            f"{hours:,.1f} hours of a device at {schedule.price_per_hour:g}",
        )


def _row(name: str, value: str, note: str) -> str:
    return f"{name:<26}{value:>14}   {note}".rstrip()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: float) -> str:
    """Returns 1.56 G for 1,557,611,200."""
    for unit, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:,.0f}"


def _bytes(number: float) -> str:
    if number >= 1e9:
        return f"{number / 1e9:,.2f} GB"
    return f"{number / 1e6:,.1f} MB"


def _seconds(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"

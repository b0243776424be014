"""Work in, a trace for TensorBoard and the time of each kind of op out."""

import collections
import pathlib
import re

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_OP = re.compile(r"[^:]+:(\w+)")  # `ExecutorState::Process` is none
_NUMBER = re.compile(r"([_.]\d+)+$")
_HOLD_OTHERS = ("call", "cond", "conditional", "while")
_ALL_OPS = 2  # of `host_tracer_level`: 1 tells of the user's own events alone


def profile(work, folder: str) -> list[tuple[str, int, float]]:
    """Does work once under TensorFlow's profiler.

    Args:
        work: Takes nothing.
        folder: What `tensorboard --logdir` shows; others' traces may be there.

    Returns:
        `op_times` of what was done.
    """
    before = _traces(folder)
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=_ALL_OPS, python_tracer_level=0
    )
    with tf.profiler.experimental.Profile(folder, options):
        work()
    space = xplane_pb2.XSpace()
    for path in _traces(folder) - before:
        space.MergeFromString(path.read_bytes())
    return op_times(space)


def _traces(folder):
    return set(pathlib.Path(folder).rglob("*.xplane.pb"))


def op_times(space) -> list[tuple[str, int, float]]:
    """Returns kinds of ops with calls and seconds, the slowest first.

    Where there is an accelerator, of what ran there, else of the host's
    threads, so that seconds may be more than passed.

    Args:
        space: An `XSpace`.
    """
    on_device = [x for x in space.planes if x.name.startswith("/device:GPU")]
    on_host = [x for x in space.planes if x.name.startswith("/host:CPU")]
    calls, picoseconds = collections.Counter(), collections.Counter()
    for plane in on_device or on_host:
        for line in plane.lines:
            for event in line.events:
                kind = _kind(plane, event)
                if kind:
                    calls[kind] += 1
                    picoseconds[kind] += event.duration_ps
    return [
        (kind, calls[kind], taken / 1e12)
        for kind, taken in picoseconds.most_common()
    ]


def _kind(plane, event):
    """Returns the kind of an op; empty where the event is none.

    TensorFlow's are `block/dense/MatMul:MatMul`, or a kernel says that it is
    of one, and XLA's are `MatMul_1.100`.
    """
    name = plane.event_metadata[event.metadata_id].name
    stats = {plane.stat_metadata[x.metadata_id].name: x for x in event.stats}
    if stat := stats.get("tf_op"):
        ref = plane.stat_metadata[stat.ref_value].name
        name = stat.str_value or ref or name
    if match := _OP.fullmatch(name):
        return match[1]
    if "hlo_op" in stats:
        kind = _NUMBER.sub("", name)
        return "" if kind in _HOLD_OTHERS else kind
    return "" if plane.name.startswith("/host:") else name

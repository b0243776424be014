"""The sizes of a model in, what a program has beside its tensors out."""

from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.devices import Device

_MEGABYTE = 10**6
# Of a CPU's process above its imports: graphs, threads and buffers, a constant
# and for each block.
_PROGRAM, _BLOCK = 60, 14
# What XLA has beside: its compiler, and what it makes.
_XLA, _XLA_BLOCK = 110, 40
# Of a GPU: its context, and the work space of the libraries. Assumed.
_CONTEXT = 1000


def runtime_bytes(sizes: Architecture, config, device: Device) -> int:
    """Returns the bytes on the device that aren't in tensors."""
    if not device.is_cpu:
        return _CONTEXT * _MEGABYTE
    megabytes = _PROGRAM + _BLOCK * sizes.num_layers
    if config.jit_compile:
        megabytes += _XLA + _XLA_BLOCK * sizes.num_layers
    return megabytes * _MEGABYTE

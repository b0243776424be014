"""The sizes of a model in, what a program has beside its tensors out."""

from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.devices import Device

_MEGABYTE = 10**6
# Of a CPU's process above its imports: graphs, threads and buffers, a constant
# and for each block.
_PROGRAM, _BLOCK = 55, 21
# Of a GPU: its context, and the work space of the libraries. Assumed.
_CONTEXT = 1000


def runtime_bytes(sizes: Architecture, config, device: Device) -> int:
    """Returns the bytes on the device that aren't in tensors."""
    if device.is_cpu:
        return (_PROGRAM + _BLOCK * sizes.num_layers) * _MEGABYTE
    return _CONTEXT * _MEGABYTE

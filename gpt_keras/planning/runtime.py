"""The sizes of a model in, what a program has beside its tensors out."""

from gpt_keras.planning.architecture import Architecture

_MEGABYTE = 10**6


def cpu_runtime(sizes: Architecture, config) -> int:
    """Bytes of graphs, threads and buffers, above those of the imports."""
    return (55 + 21 * sizes.num_layers) * _MEGABYTE

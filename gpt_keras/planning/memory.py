"""The sizes of a model and its run in, the bytes of each part out."""

import dataclasses

import keras

from gpt_keras.planning.activations import FLOAT32
from gpt_keras.planning.activations import activations
from gpt_keras.planning.activations import block_work
from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.architecture import parameters_of
from gpt_keras.training.chunked_loss import default_chunk_tokens

# Of a batch: token ids, labels and weights, and how many batches wait.
_BYTES_PER_TOKEN, _BATCHES_AHEAD = 12, 4


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes on one device, by part.

    The first ones are there all the time. Those of `moments` come and go, so
    the largest moment counts.

    Attributes:
        weights: float32 under every dtype policy.
        slots: Of the optimizer.
        averages: Of the weights, with `ema_decay`.
        data: Batches that are made ahead.
        runtime: What a program has beside its tensors.
        gradients: Of what is trained, and their sums over microbatches.
        activations: What the forward pass of a microbatch keeps.
        logits: Those of a chunk of tokens, and their gradients.
        moments: Bytes that come and go, by the part of a step.
    """

    weights: int
    slots: int
    averages: int
    data: int
    runtime: int
    gradients: int
    activations: int
    logits: int
    moments: dict[str, int]

    @property
    def fullest(self) -> str:
        """The part of a step that needs most."""
        return max(self.moments, key=self.moments.__getitem__)

    @property
    def standing(self) -> int:
        """What is there all the time."""
        return (
            self.weights + self.slots + self.averages + self.data + self.runtime
        )

    @property
    def peak(self) -> int:
        """The most at any time."""
        return self.standing + self.moments[self.fullest]


def memory_of(sizes: Architecture, config, rows: int, runtime: int) -> Memory:
    """Returns what training takes of one device's memory.

    Args:
        sizes: Of the model.
        config: `TrainConfig`.
        rows: Sequences of a microbatch on the device.
        runtime: Bytes that the program has beside its tensors.
    """
    length = config.max_length
    width = compute_width(config.dtype)
    parameters = parameters_of(sizes)
    trained = FLOAT32 * parameters.trained
    # Of microbatches: the sum so far, and that with one more.
    sums = 2 * trained if config.microbatches > 1 else 0
    kept = activations(sizes, rows, length, width)
    logits = _logits(sizes, config, rows * length, width)
    of_projection = _projection_gradient(sizes)
    return Memory(
        weights=FLOAT32 * parameters.total,
        slots=FLOAT32 * _slots(config, parameters),
        averages=trained if config.ema_decay else 0,
        data=_BATCHES_AHEAD
        * _BYTES_PER_TOKEN
        * rows
        * config.microbatches
        * length,
        runtime=runtime,
        gradients=trained + sums,
        activations=kept,
        logits=logits,
        moments={
            "loss": sums + kept + logits + of_projection,
            "backward": sums
            + kept
            + of_projection
            + block_work(sizes, rows, length, width),
            "update": trained + sums + _update_work(config, parameters),
        },
    )


def compute_width(dtype: str) -> int:
    """Returns the bytes of a number in a dtype policy's compute dtype."""
    name = keras.dtype_policies.get(dtype).compute_dtype
    return {"float64": 8, "float32": 4}.get(name, 2)


def chunk_of(sizes: Architecture, config, tokens: int) -> int:
    """Returns how many tokens' logits are there at a time."""
    most = config.chunk_tokens
    if most is None:
        most = default_chunk_tokens(sizes.vocab_size)
    number = -(-tokens // most) if most else 1
    return -(-tokens // number)  # as even as can be


def _logits(sizes, config, tokens: int, width: int) -> int:
    """Logits in float32, whose place their gradients take.

    In 16 bits, those as they are made and those to multiply by beside them.
    """
    chunk = chunk_of(sizes, config, tokens)
    copies = FLOAT32 + (2 * width if width < FLOAT32 else 0)
    return chunk * sizes.padded_vocab_size * copies


def _projection_gradient(sizes) -> int:
    """Of the kernel, float32: a chunk's, the sum before and that with it."""
    if sizes.lora_rank:
        return 0
    return 3 * FLOAT32 * sizes.padded_vocab_size * sizes.d_model


def _slots(config, parameters) -> int:
    """Two for each number; Muon has one for those of its matrices."""
    if config.optimizer == "muon":
        return 2 * parameters.trained - parameters.block_kernels
    return 2 * parameters.trained


def _update_work(config, parameters) -> int:
    """Clipped copies of the gradients, and what the largest update takes."""
    clipped = parameters.trained if config.clip_norm else 0
    return FLOAT32 * (clipped + 3 * parameters.largest)

"""The arithmetic of a step and a device in, its seconds by part out."""

from gpt_keras.planning.activations import FLOAT32
from gpt_keras.planning.architecture import Architecture
from gpt_keras.planning.architecture import Parameters
from gpt_keras.planning.architecture import kernel_shapes
from gpt_keras.planning.architecture import parameters_of
from gpt_keras.planning.arithmetic import arithmetic_of
from gpt_keras.planning.devices import Device

# Share of the peak that the model's products reach. Assumed: Chowdhery et al.
# 2022, PaLM, table 3, has 21 to 46% for four large models.
UTILIZATION = 0.3


def assumed_seconds(
    sizes: Architecture,
    config,
    device: Device,
    *,
    tokens: int,
    width: int,
    utilization: float = UTILIZATION,
) -> dict[str, float]:
    """Returns the seconds of a step's parts on a device of the table.

    Args:
        sizes: Of the model.
        config: `TrainConfig`.
        device: One of `DEVICES`.
        tokens: Of a batch, on one device.
        width: Bytes of a number in the compute dtype.
        utilization: Share of the peak that the products reach, everything
            between them included.
    """
    arithmetic = arithmetic_of(sizes, config.max_length)
    speed = device.peak_flops(width) * utilization
    # Muon's products are in float32 under every dtype policy.
    update = update_flops(sizes, config) / (
        device.peak_flops(FLOAT32) * utilization
    )
    if device.bandwidth:
        moved = update_bytes(config, parameters_of(sizes))
        update += moved / device.bandwidth
    return {
        "model": tokens * arithmetic.model / speed,
        "recomputed": tokens * arithmetic.recomputed / speed,
        "update": update,
    }


def update_flops(sizes: Architecture, config) -> int:
    """Returns the operations of Muon's products in an update; AdamW has none.

    Reference:
        Amsel et al. 2025, The Polar Express: X <- aX + (bXX' + c(XX')^2) X.
    """
    if config.optimizer != "muon":
        return 0
    count = 0
    for name, shape in kernel_shapes(sizes).items():
        parts = 3 if name == "query_key_value" else 1  # side by side
        rows, columns = sorted((shape[0], shape[1] // parts))
        if 2 * rows <= columns:  # by way of the small square matrix
            count += parts * (4 * rows**2 * columns + 26 * rows**3)
        else:
            count += 4 * parts * (4 * rows**2 * columns + 2 * rows**3)
    return sizes.num_layers * count


def update_bytes(config, parameters: Parameters) -> int:
    """Returns the bytes that an update reads and writes, at least.

    Weights and two slots are read and written, gradients are read for their
    norm, scaled, and read again; averages are read and written. Muon's slots
    are fewer.
    """
    passes = 6 + 4 + (2 if config.ema_decay else 0)
    passes += 3 * (config.microbatches - 1)  # sum, part, new sum
    return passes * FLOAT32 * parameters.trained


def exchange_seconds(
    parameters: Parameters, devices: int, link: float | None
) -> float:
    """Returns what the sum of the gradients over the devices takes.

    In a ring each device sends, and gets, 2 (N - 1) / N times the gradients;
    nothing else is taken to go on meanwhile. 0 where the link isn't known.

    Reference:
        Patarasu & Yuan 2009, Bandwidth optimal all-reduce algorithms.
    """
    if devices == 1 or not link:
        return 0.0
    sent = 2 * (devices - 1) / devices * FLOAT32 * parameters.trained
    return sent / link

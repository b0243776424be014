"""What the machine has in, the distribution strategy out."""

import tensorflow as tf


def choose_strategy(logical_cpus: int = 0) -> tf.distribute.Strategy:
    """Returns the strategy for what the machine has.

    Several GPUs: `MirroredStrategy` over all of them. One device: the default
    strategy, that is, none.

    Args:
        logical_cpus: If positive, split the CPU into so many devices and use
            those, GPU or not. Only before TensorFlow has used a device.

    Raises:
        ValueError: TensorFlow has used a device already.
    """
    if logical_cpus:
        _split_cpu(logical_cpus)
        devices = [f"CPU:{index}" for index in range(logical_cpus)]
        if logical_cpus == 1:
            return tf.distribute.OneDeviceStrategy(devices[0])
        return tf.distribute.MirroredStrategy(devices)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise ValueError(
            "`logical_cpus` must be chosen before TensorFlow uses a device. "
            f"Received: logical_cpus={count}"
        ) from error

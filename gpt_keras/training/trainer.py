"""A configuration and batches in, a trained model in its folder out."""

import pathlib
from collections.abc import Callable

import keras
import tensorflow as tf

from gpt_keras.model import GPTModel
from gpt_keras.training import model_folder
from gpt_keras.training.callbacks import Samples
from gpt_keras.training.callbacks import Saving
from gpt_keras.training.callbacks import Telemetry
from gpt_keras.training.callbacks import Validation
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.checkpoint import restore_weights
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.run_log import RunLog


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


def train(
    config,
    model_dir,
    *,
    vocab_size: int,
    training_batches: Callable[[int, int], tf.data.Dataset],
    validation_batches: tf.data.Dataset | None = None,
    sample: Callable[[keras.Model], str] | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[GPTModel, bool]:
    """Trains a model with `fit`, from the folder's checkpoint if it has one.

    Killed at any moment and called again with the same arguments, it ends
    with the same weights, bit for bit.

    Args:
        config: `TrainConfig`.
        model_dir: The model folder.
        vocab_size: Of the tokenizer.
        training_batches: Takes the first step and a number of steps, and
            gives the batches of those steps.
        validation_batches: Batches of the contract triple, or None.
        sample: Takes the model and writes a text, or None.
        strategy: From `choose_strategy`; None for the one in force.

    Returns:
        The model, and whether the run came to its last step.

    Raises:
        ValueError: The folder holds another run, or the batch can't be spread
            evenly over the replicas.
        OSError: The folder can't be written.
    """
    strategy = strategy or tf.distribute.get_strategy()
    _check_replicas(config.batch_size, strategy.num_replicas_in_sync)
    model_folder.check_free(model_dir, config, vocab_size)
    folder = pathlib.Path(model_dir)
    with strategy.scope():
        model = _make_model(config, vocab_size)
        # Not before the model could be made: a mistaken option is no claim.
        model_folder.claim(model_dir, config, vocab_size)
        checkpoint = TrainingCheckpoint(
            folder / model_folder.CHECKPOINTS, model, config.keep_checkpoints
        )
        first_step = checkpoint.restore()
    if first_step == 0 and config.init_from:
        restore_weights(
            pathlib.Path(config.init_from) / model_folder.CHECKPOINTS, model
        )
    if first_step >= config.steps:
        return model, True

    log = RunLog(folder, first_step)
    telemetry = Telemetry(
        log,
        first_step,
        config.log_every,
        config.batch_size * config.max_length,
        config.steps,
        float(checkpoint.seconds.numpy()),
    )
    callbacks = [telemetry]
    if validation_batches is not None:
        callbacks.append(
            Validation(
                log,
                first_step,
                config.validate_every,
                validation_batches,
                config.steps,
            )
        )
    saving = Saving(
        checkpoint,
        first_step,
        config.checkpoint_every,
        config.steps,
        lambda: telemetry.seconds,
    )
    callbacks.append(saving)
    if sample is not None and config.sample_every:
        callbacks.append(Samples(log, first_step, config.sample_every, sample))
    try:
        model.fit(
            training_batches(first_step, config.steps - first_step),
            epochs=1,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    finally:
        saving.restore_handlers()
    return model, saving.stopped_by is None


def _make_model(config, vocab_size: int) -> GPTModel:
    """Returns the model, its weights and the optimizer's slots made."""
    keras.utils.set_random_seed(config.seed)
    model = GPTModel(vocab_size, **config.model_arguments(), dtype=config.dtype)
    model.build((None, config.max_length))
    model.compile(make_optimizer(config, model))
    model.optimizer.build(model.trainable_variables)
    return model


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


def _check_replicas(batch_size: int, replicas: int) -> None:
    if batch_size % replicas:
        raise ValueError(
            "`batch_size` must be a multiple of the number of devices. "
            f"Received: batch_size={batch_size}, devices={replicas}"
        )

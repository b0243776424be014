r"""Shows that one device and several train alike.

    python -m tools.measure_parity
    python -m tools.measure_parity --device=GPU --replicas=1,2,8
    python -m tools.measure_parity --optimizers=Nadam,Lion --replicas=1,2

A tiny model is trained for some steps on the same global batches, spread over
so many devices and cut into so many microbatches. The batches are unkind: most
tokens have no weight, and which have is uneven, a replica may have none at
all, the last batch is partial; gradients are clipped and averages of the
weights are kept. The table has the largest difference of a step's loss, and of
the averaged weights, from the first of the replicas without microbatches.
"""

import json

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from gpt_keras.cli import program
from gpt_keras.config import TrainConfig
from gpt_keras.model import GPTModel
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.strategy import choose_strategy

_ROWS, _LENGTH, _VOCAB_SIZE = 8, 12, 50
_OURS = ("adamw", "muon")  # of tools.train


def define_flags(values):
    """Defines the program's flags."""
    for name, default, text in (
        ("replicas", ["1", "2", "4"], "Numbers of devices."),
        (
            "optimizers",
            ["adamw", "muon", "sgd"],
            "Those of tools.train, sgd (with momentum), or classes of Keras.",
        ),
        (
            "precisions",
            ["float32", "mixed_bfloat16", "mixed_float16"],
            "Keras dtype policies.",
        ),
        ("microbatches", ["1", "2"], "Numbers of parts."),
    ):
        flags.DEFINE_list(name, default, text, flag_values=values)
    flags.DEFINE_integer("steps", 20, "Steps to train.", flag_values=values)
    flags.DEFINE_boolean("jit_compile", False, "By XLA.", flag_values=values)
    flags.DEFINE_enum(
        "device",
        "CPU",
        ["CPU", "GPU"],
        "Logical CPUs, or GPUs.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "tolerance",
        1e-5,
        "Exit status 1 for a larger difference of a float32 loss.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "only", None, "One run by itself, as JSON.", flag_values=values
    )


def main(values):
    """Prints the table; returns the exit status."""
    if values.only:
        print(json.dumps(train(**json.loads(values.only))))
        return 0
    _check_names(values.optimizers)
    print("optimizer  precision       parts  replicas  loss differs  weights")
    worst = 0.0
    for optimizer in values.optimizers:
        for precision in values.precisions:
            for row, difference in _rows(values, optimizer, precision):
                print(row, flush=True)
                if precision == "float32":
                    worst = max(worst, difference)
    print(f"largest difference of a float32 loss: {worst:.1e}")
    return 0 if worst <= values.tolerance else 1


def train(
    replicas: int,
    optimizer: str,
    precision: str,
    microbatches: int,
    steps: int,
    jit_compile: bool,
    device: str,
) -> dict:
    """Trains in this process, which may not have used a device before.

    Returns:
        The loss of each step, and the weights.
    """
    strategy = _strategy(device, replicas)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = GPTModel(
            _VOCAB_SIZE, 16, 2, 32, _LENGTH, 0.0, num_layers=2, dtype=precision
        )
        model.build((None, _LENGTH))
        model.compile(
            _optimizer(optimizer, steps, model),
            microbatches=microbatches,
            ema_decay=0.9,
            jit_compile=jit_compile,
        )
    losses = []

    def collect(batch, logs):
        losses.append(float(logs["loss"]))
        model.reset_metrics()

    model.fit(
        _batches(steps),
        verbose=0,
        shuffle=False,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=collect)],
    )
    with model.averaged_weights():
        weights = [weight.numpy().ravel() for weight in model.weights]
    return {
        "losses": losses,
        "weights": np.concatenate(weights).astype(float).tolist(),
    }


def _check_names(optimizers):
    for name in optimizers:
        if name not in (*_OURS, "sgd") and not hasattr(keras.optimizers, name):
            raise ValueError(
                f"`optimizers` must be {', '.join(_OURS)}, sgd or classes of "
                f"keras.optimizers. Received: {name!r}"
            )


def _rows(values, optimizer, precision):
    """Yields lines of the table and their differences of the loss."""
    expected = None
    for microbatches in values.microbatches:
        for replicas in values.replicas:
            found = _run(
                replicas=int(replicas),
                optimizer=optimizer,
                precision=precision,
                microbatches=int(microbatches),
                steps=values.steps,
                jit_compile=values.jit_compile,
                device=values.device,
            )
            expected = expected or found
            loss, weights = (
                np.abs(np.subtract(found[name], expected[name])).max()
                for name in ("losses", "weights")
            )
            yield (
                (
                    f"{optimizer:9}  {precision:14}  {microbatches:>5}  "
                    f"{replicas:>8}  {loss:12.1e}  {weights:7.1e}"
                ),
                loss,
            )


def _run(**options) -> dict:
    """Runs `train` in a process of its own: a strategy sticks to its one."""
    return program.run_alone(__spec__.name, json.dumps(options))


def _strategy(device: str, replicas: int):
    if device == "CPU":
        return choose_strategy(replicas)
    gpus = len(tf.config.list_physical_devices("GPU"))
    if replicas > gpus:
        raise ValueError(
            f"`replicas` must be at most the number of GPUs, {gpus}. "
            f"Received: replicas={replicas}"
        )
    names = [f"GPU:{index}" for index in range(replicas)]
    if replicas == 1:
        return tf.distribute.OneDeviceStrategy(names[0])
    return tf.distribute.MirroredStrategy(names)


def _optimizer(name: str, steps: int, model):
    if name == "sgd":
        return keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    if name not in _OURS:
        kind = getattr(keras.optimizers, name)
        return kind(learning_rate=1e-2, global_clipnorm=0.5)
    config = TrainConfig(
        optimizer=name,
        steps=steps,
        warmup_steps=2,
        learning_rate=1e-2,
        clip_norm=0.5,
    )
    return make_optimizer(config, model)


def _batches(steps: int) -> tf.data.Dataset:
    rng = np.random.default_rng(0)
    rows = steps * _ROWS - 3
    shape = (rows, _LENGTH)
    # Ids repeat within a row, as words do, and there is something to learn.
    token_ids = (
        rng.integers(0, _VOCAB_SIZE, (rows, 1)) + np.arange(_LENGTH) // 2
    )
    labels = (token_ids + 1) % _VOCAB_SIZE
    weight = rng.random(shape) < rng.random((rows, 1)) ** 2
    weight[: _ROWS // 2] = False  # nothing for the first of two replicas
    data = (
        (token_ids % _VOCAB_SIZE).astype("int32"),
        labels.astype("int32"),
        weight.astype("float32"),
    )
    return tf.data.Dataset.from_tensor_slices(data).batch(_ROWS)


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()

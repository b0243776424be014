"""A configuration and batches in, a trained model in its folder out."""

import dataclasses
import functools
import io
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.files import write_atomically
from gpt_keras.layers.lora import enable_lora
from gpt_keras.model import GPTModel
from gpt_keras.training import model_folder
from gpt_keras.training.adapter_file import ADAPTERS
from gpt_keras.training.adapter_file import save_adapters
from gpt_keras.training.callbacks import Agreement
from gpt_keras.training.callbacks import Samples
from gpt_keras.training.callbacks import Saving
from gpt_keras.training.callbacks import SkippedSteps
from gpt_keras.training.callbacks import Validation
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.device_facts import peak_flops
from gpt_keras.training.execution import Execution
from gpt_keras.training.execution import python_clock
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.model_flops import training_flops_per_token
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.profiling import Profile
from gpt_keras.training.profiling import parse_range
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import SilentLog
from gpt_keras.training.run_log import logged
from gpt_keras.training.stop_signals import StopSignals
from gpt_keras.training.telemetry import Telemetry
from gpt_keras.training.telemetry import Workload


def train(
    config,
    model_dir,
    *,
    vocab_size: int,
    training_batches: Callable[[int, int], tf.data.Dataset],
    validation_batches: tf.data.Dataset | None = None,
    sample: Callable[[keras.Model], str] | None = None,
    bytes_per_token: float | None = None,
    load_weights: Callable[[str, GPTModel], None] = model_folder.load_weights,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[GPTModel, bool]:
    """Trains a model with `fit`, from the folder's checkpoint if it has one.

    Killed at any moment and called again with the same arguments, it ends
    with the same weights, bit for bit.

    On several hosts each calls it with the same arguments. The first, the
    chief, is the only one that reads and writes the folder, and `init_from`;
    the others have from it all they need. What one of them raises, all raise.

    Args:
        config: `TrainConfig`.
        model_dir: The model folder.
        vocab_size: Of the tokenizer.
        training_batches: Takes the first step and a number of steps, and
            gives the batches of those steps; from `Hosts.spread` on several
            hosts.
        validation_batches: Batches of the contract triple, or None; from
            `Hosts.spread` too.
        sample: Takes the model and writes a text, or None. The chief alone
            calls it.
        bytes_per_token: UTF-8 bytes of the text per token, for the bits per
            byte of the log; None leaves them out.
        load_weights: Gives a built model the weights that `config.init_from`
            names.
        strategy: From `choose_strategy`; None for the one in force.

    Returns:
        The model, and whether the run came to its last step.

    Raises:
        ValueError: The folder holds another run, or the batch can't be spread
            evenly over the replicas and microbatches.
        SkippedTooOften: Too many steps had to be left out.
        OSError: The folder can't be written.
        HostLost: Another host of the run has ended, or can't be reached.
    """
    strategy = strategy or tf.distribute.get_strategy()
    hosts = Hosts(strategy)
    _check_replicas(config, strategy.num_replicas_in_sync)
    profiled = parse_range(config.profile)
    folder = pathlib.Path(model_dir)
    with hosts.guarded():
        model, checkpoint = _begin(
            config, folder, vocab_size, load_weights, strategy, hosts
        )
        first_step = int(checkpoint.step.numpy())
        has_validated = validation_batches is None or hosts.from_chief(
            first_step in logged(folder, "val_loss", first_step)
        )
        finished = first_step >= config.steps and has_validated
        if not finished:
            log = hosts.on_chief(lambda: RunLog(folder, first_step))
            run = _Run(
                config,
                folder,
                hosts,
                first_step,
                checkpoint,
                log or SilentLog(),
                _workload(config, model, bytes_per_token),
                StopSignals(hosts),
            )
            finished = _fit(
                run,
                model,
                has_validated,
                training_batches,
                validation_batches,
                sample,
                profiled,
            )
        hosts.on_chief(lambda: _keep_adapters(config, model, folder))
    return model, finished


def _begin(config, folder, vocab_size, load_weights, strategy, hosts):
    """Returns the model and its checkpoint, both as the run stands.

    The chief reads files out of the strategy's scope, in which all hosts must
    make the same variables.
    """

    def read_base():
        model_folder.load_base(model, folder, config, load_weights)

    def read():
        step = checkpoint.read()
        if step == 0 and config.init_from and not config.lora_rank:
            load_weights(config.init_from, model)
            model.step_state.restart_averages()
        # Not before all could be made: a mistaken option is no claim.
        model_folder.claim(folder, config, vocab_size)
        if config.lora_rank:
            model_folder.keep_base(model, folder)
        losses = logged(folder, "val_loss", step).values()
        checkpoint.recall_losses(loss for loss in losses if loss is not None)

    hosts.on_chief(lambda: model_folder.check_free(folder, config, vocab_size))
    with strategy.scope():
        model = _make_model(config, vocab_size)
    if config.lora_rank:
        hosts.on_chief(read_base)
    with strategy.scope():
        _prepare_training(config, model)
        checkpoint = TrainingCheckpoint(
            folder / model_folder.CHECKPOINTS,
            model,
            config.keep_checkpoints,
            hosts.is_chief,
        )
    hosts.on_chief(read)
    hosts.copy_from_chief(checkpoint.variables)
    checkpoint.restore_means()
    return model, checkpoint


def _fit(
    run,
    model,
    has_validated,
    training_batches,
    validation_batches,
    sample,
    profiled,
) -> bool:
    """Trains to the last step, or a signal; returns whether to the last."""
    config, first_step = run.config, run.first_step
    with run.stop:
        callbacks = run.callbacks(training_batches, sample, profiled)
        if validation_batches is not None:
            validation = run.validation(validation_batches)
            if first_step and not has_validated:
                validation.catch_up(model, first_step)
            # Before a checkpoint is saved, which knows of the lowest loss.
            place = [type(x) for x in callbacks].index(Saving)
            callbacks.insert(place, validation)
        if first_step < config.steps and not run.stop.received:
            model.train_function = _execution(run, model, profiled)
            model.fit(
                training_batches(first_step, config.steps - first_step),
                epochs=1,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
    return run.stop.received is None


@dataclasses.dataclass(frozen=True)
class _Run:
    """What the callbacks of a run have in common."""

    config: TrainConfig
    folder: pathlib.Path
    hosts: Hosts
    first_step: int
    checkpoint: TrainingCheckpoint
    log: RunLog | SilentLog
    workload: Workload
    stop: StopSignals

    def callbacks(self, training_batches, sample, profiled) -> list:
        """Returns all in their order, `Validation` excepted."""
        config, log = self.config, self.log
        explain = functools.partial(
            _explain, self.hosts, self.folder, training_batches
        )
        telemetry = Telemetry(
            log,
            config.log_every,
            config.steps,
            self.workload,
            float(self.checkpoint.seconds.numpy()),
        )
        saving = Saving(
            log,
            self.checkpoint,
            config.checkpoint_every,
            config.steps,
            lambda: telemetry.seconds,
            self.stop,
        )
        callbacks = [
            Agreement(self.stop),
            SkippedSteps(log, config.max_skipped, explain),
            telemetry,
            saving,
        ]
        if not self.hosts.is_chief:
            return callbacks
        if sample is not None and config.sample_every:
            callbacks.append(
                Samples(log, config.sample_every, sample, self.stop)
            )
        if profiled is not None:
            callbacks.append(Profile(self.folder, self.first_step, profiled))
        return callbacks

    def validation(self, batches) -> Validation:
        return Validation(
            self.log,
            self.config.validate_every,
            batches,
            self.config.steps,
            self.workload,
            self.checkpoint.save_best if self.config.keep_best else None,
            self.stop,
        )


def _execution(run, model, profiled) -> Execution:
    """Returns what `fit` calls; it ends where a callback has to look."""
    config = run.config
    most = config.steps_per_execution or config.spike_window
    return Execution(
        model,
        config.steps,
        stops=(
            config.log_every,
            config.validate_every,
            config.checkpoint_every,
            config.sample_every,
        ),
        at=profiled or (),
        # Beyond the window nobody could tell which of them were left out.
        most=min(most, config.spike_window),
        clock=python_clock if config.deterministic else tf.timestamp,
        hosts=run.hosts,
    )


def _workload(config, model, bytes_per_token) -> Workload:
    replicas = model.distribute_strategy.num_replicas_in_sync
    if config.peak_teraflops:
        peak = config.peak_teraflops * 1e12
    elif config.logical_cpus:
        with tf.device("CPU:0"):
            peak = peak_flops(config.dtype)
        replicas = 1  # they share the cores that were measured
    else:
        peak = peak_flops(config.dtype)
    return Workload(
        tokens=config.batch_size * config.max_length,
        flops_per_token=training_flops_per_token(model, config.max_length),
        peak_flops=peak * replicas,
        bytes_per_token=bytes_per_token,
    )


def _keep_adapters(config, model, folder) -> None:
    """Writes them apart; anew where a kill came between this and the end."""
    if config.lora_rank:
        with model.averaged_weights():
            save_adapters(model, folder / ADAPTERS)


def _explain(hosts, folder, training_batches, step: int, text: str) -> str:
    """Writes the batch of a step down, and says where."""
    path = folder / f"skipped_step_{step}.npy"
    token_ids = next(iter(training_batches(step - 1, 1)))[0]
    token_ids = hosts.whole_batch(token_ids).numpy()
    if hosts.is_chief:
        buffer = io.BytesIO()
        np.save(buffer, token_ids)
        write_atomically(path, buffer.getvalue())
    last = latest_step(folder / model_folder.CHECKPOINTS) or 0
    return (
        f"{text}. Its token ids are in {str(path)!r}. The run is at the "
        f"checkpoint of step {last}: train on from there with another "
        "learning rate by --init_from, or allow more by --max_skipped."
    )


def _make_model(config, vocab_size: int) -> GPTModel:
    """Returns the model, its weights made."""
    keras.utils.set_random_seed(config.seed)
    model = GPTModel(
        vocab_size,
        **config.model_arguments(),
        remat=config.remat,
        dtype=config.dtype,
    )
    model.build((None, config.max_length))
    return model


def _prepare_training(config, model) -> None:
    """Makes adapters, if need be, and the optimizer with its slots."""
    if config.lora_rank:
        enable_lora(model, config.lora_rank, config.lora_alpha, config.seed)
    model.compile(make_optimizer(config, model), **config.step_options())
    model.optimizer.build(model.trainable_variables)


def _check_replicas(config, replicas: int) -> None:
    if config.batch_size % (replicas * config.microbatches):
        raise ValueError(
            "`batch_size` must be a multiple of the number of devices times "
            f"`microbatches`. Received: batch_size={config.batch_size}, "
            f"devices={replicas}, microbatches={config.microbatches}"
        )

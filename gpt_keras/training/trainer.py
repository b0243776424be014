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
from gpt_keras.config_rules import VALIDATION_LOSS
from gpt_keras.files import write_atomically
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
from gpt_keras.training.generation_metrics import SCORED
from gpt_keras.training.generation_metrics import GenerationMetrics
from gpt_keras.training.generation_metrics import Measure
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.model_flops import training_flops_per_token
from gpt_keras.training.profiling import Profile
from gpt_keras.training.profiling import parse_range
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import SilentLog
from gpt_keras.training.run_log import logged
from gpt_keras.training.run_start import begin_run
from gpt_keras.training.stop_signals import StopSignals
from gpt_keras.training.telemetry import Telemetry
from gpt_keras.training.telemetry import Workload


def train(
    config,
    model_dir,
    *,
    vocab_size: int,
    end_of_text_id: int | None = None,
    training_batches: Callable[[int, int], tf.data.Dataset],
    validation_batches: tf.data.Dataset | None = None,
    sample: Callable[[keras.Model], str] | None = None,
    measure: Measure | None = None,
    bytes_per_token: float | None = None,
    tokens_per_batch: float | None = None,
    load_weights: Callable[[str, GPTModel], None] = model_folder.load_weights,
    strategy: tf.distribute.Strategy | None = None,
    stop: StopSignals | None = None,
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
        end_of_text_id: Of the tokenizer; for `config.document_mask` alone.
        training_batches: Takes the first step and a number of steps, and
            gives the batches of those steps; from `Hosts.spread` on several
            hosts.
        validation_batches: Batches of the contract triple, or None; from
            `Hosts.spread` too.
        sample: Takes the model and writes a text, or None. The chief alone
            calls it.
        measure: Scores what the model writes, for `config.metrics_every`. The
            chief alone calls it, and needs it.
        bytes_per_token: UTF-8 bytes of the text per token, for the bits per
            byte of the log; None leaves them out.
        tokens_per_batch: How many there are on average, for the speed in the
            log; None: as many as fit into a batch of windows.
        load_weights: Gives a built model the weights that `config.init_from`
            names.
        strategy: From `choose_strategy`; None for the one in force.
        stop: Of the run's hosts, for those who want to know which signal
            stopped it.

    Returns:
        The model, and whether the run came to its last step.

    Raises:
        ValueError: The folder holds another run, the batch can't be spread
            evenly over the replicas and microbatches, or
            `config.document_mask` finds no `end_of_text_id`, or
            `config.metrics_every` no `measure`.
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
        hosts.on_chief(lambda: _check_measure(config, measure))
        model, checkpoint = begin_run(
            config,
            folder,
            vocab_size,
            end_of_text_id,
            load_weights,
            strategy,
            hosts,
        )
        first_step = int(checkpoint.step.numpy())
        has_validated = validation_batches is None or hosts.from_chief(
            first_step in logged(folder, "val_loss", first_step)
        )
        has_measured = not _measures(config, first_step) or hosts.from_chief(
            first_step in logged(folder, SCORED, first_step)
        )
        finished = first_step >= config.steps and has_validated and has_measured
        if not finished:
            log = hosts.on_chief(lambda: RunLog(folder, first_step))
            run = _Run(
                config,
                folder,
                hosts,
                first_step,
                checkpoint,
                log or SilentLog(),
                _workload(config, model, bytes_per_token, tokens_per_batch),
                stop or StopSignals(hosts),
                training_batches,
                validation_batches,
                sample,
                measure,
                profiled,
            )
            finished = run.fit(model, has_validated, has_measured)
        hosts.on_chief(lambda: _keep_adapters(config, model, folder))
    return model, finished


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
    training_batches: Callable[[int, int], tf.data.Dataset]
    validation_batches: tf.data.Dataset | None
    sample: Callable[[keras.Model], str] | None
    measure: Measure | None
    profiled: tuple[int, int] | None

    def fit(self, model, has_validated: bool, has_measured: bool) -> bool:
        """Trains to the last step or a signal; returns whether to the last.

        Args:
            model: As the run stands.
            has_validated: Whether there is no validation to make up for.
            has_measured: Whether there are no metrics to make up for.
        """
        config, first_step = self.config, self.first_step
        with self.stop:
            callbacks = self._callbacks()
            if self.validation_batches is not None:
                validation = self._validation()
                if first_step and not has_validated:
                    validation.catch_up(model, first_step)
                # Before a checkpoint is saved, which knows of the lowest loss.
                place = [type(x) for x in callbacks].index(Saving)
                callbacks.insert(place, validation)
            if config.metrics_every:
                metrics = self._metrics()
                if first_step and not has_measured:
                    metrics.catch_up(model, first_step)
                place = [type(x) for x in callbacks].index(Saving)
                callbacks.insert(place, metrics)
            if first_step < config.steps and not self.stop.received:
                model.train_function = self._execution(model)
                model.fit(
                    self.training_batches(
                        first_step, config.steps - first_step
                    ),
                    epochs=1,
                    shuffle=False,
                    verbose=0,
                    callbacks=callbacks,
                )
        return self.stop.received is None

    def _callbacks(self) -> list:
        """Returns all in their order, `Validation` and metrics excepted."""
        config, log = self.config, self.log
        explain = functools.partial(
            _explain, self.hosts, self.folder, self.training_batches
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
        if self.sample is not None and config.sample_every:
            callbacks.append(
                Samples(log, config.sample_every, self.sample, self.stop)
            )
        if self.profiled is not None:
            callbacks.append(
                Profile(self.folder, self.first_step, self.profiled)
            )
        return callbacks

    def _metrics(self) -> GenerationMetrics:
        config, name = self.config, self.config.keep_best_by

        def save_best(step, figures):
            return self.checkpoint.save_best(step, -figures[name])

        return GenerationMetrics(
            self.log,
            self.folder,
            config.metrics_every,
            config.steps,
            self.measure,
            None if name == VALIDATION_LOSS else save_best,
            self.stop,
            self.hosts,
        )

    def _validation(self) -> Validation:
        config = self.config
        keeps = config.keep_best and config.keep_best_by == VALIDATION_LOSS
        return Validation(
            self.log,
            config.validate_every,
            self.validation_batches,
            config.steps,
            self.workload,
            self.checkpoint.save_best if keeps else None,
            self.stop,
        )

    def _execution(self, model) -> Execution:
        """Returns what `fit` calls; it ends where a callback has to look."""
        config = self.config
        most = config.steps_per_execution or config.spike_window
        return Execution(
            model,
            config.steps,
            stops=(
                config.log_every,
                config.validate_every,
                config.checkpoint_every,
                config.sample_every,
                config.metrics_every,
            ),
            at=self.profiled or (),
            # Beyond the window nobody could tell which of them were left out.
            most=min(most, config.spike_window),
            clock=python_clock if config.deterministic else tf.timestamp,
            hosts=self.hosts,
        )


def _measures(config, step: int) -> bool:
    """Says whether what the model writes is scored at a step."""
    every = config.metrics_every
    return bool(every and step and (step % every == 0 or step == config.steps))


def _check_measure(config, measure) -> None:
    if config.metrics_every and measure is None:
        raise ValueError(
            "`metrics_every` needs `measure`. Received: metrics_every="
            f"{config.metrics_every}, measure=None"
        )


def _workload(config, model, bytes_per_token, tokens) -> Workload:
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
        tokens=tokens or config.batch_size * config.max_length,
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


def _check_replicas(config, replicas: int) -> None:
    if config.batch_size % (replicas * config.microbatches):
        raise ValueError(
            "`batch_size` must be a multiple of the number of devices times "
            f"`microbatches`. Received: batch_size={config.batch_size}, "
            f"devices={replicas}, microbatches={config.microbatches}"
        )

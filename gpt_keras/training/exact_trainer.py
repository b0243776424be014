"""`compile`, `fit` and `evaluate` of a model whose training is exact.

On TensorFlow the step is `gpt_keras.training.exact_step`; on another backend
it is Keras' own.
"""

import contextlib
import dataclasses

import keras

from gpt_keras.step_options import StepOptions

_KEYWORDS = [
    field.name
    for field in dataclasses.fields(StepOptions)
    if field.name != "jit_compile"
]
# What a training step tells beside loss and metrics.
_STEP_FACTS = ("gradient_norm", "skipped_steps")


class ExactTrainer:
    """What `GPTModel` puts in the place of the trainer of `keras.Model`."""

    step_options = StepOptions()
    _step_state = None

    def compile(self, *args, **kwargs):
        """Takes the arguments of `keras.Model.compile`, and some more.

        Without a loss the model is trained on the mean cross-entropy over
        every token of the global batch that has weight.

        Args:
            *args: As in `keras.Model.compile`.
            **kwargs: As there. `jit_compile=True` works on several replicas
                too. And those of `StepOptions`: `microbatches`, `ema_decay`,
                `spike_sigmas`, `spike_window`, `chunk_tokens` and
                `label_smoothing`.

        Raises:
            ValueError: An option is out of range, or can't be had together
                with another one or with this backend.
        """
        options = {
            name: kwargs.pop(name) for name in _KEYWORDS if name in kwargs
        }
        _check_backend(options)
        is_exact = keras.backend.backend() == "tensorflow"
        if is_exact and kwargs.get("jit_compile", "auto") != "auto":
            options["jit_compile"] = bool(kwargs["jit_compile"])
        if is_exact:
            # XLA compiles parts of the step: the whole one can neither raise
            # nor run on several replicas.
            kwargs["jit_compile"] = False
        self.step_options = StepOptions(**options)
        self._step_state = None
        self.loss = None  # or Keras keeps that of an earlier call
        super().compile(*args, **kwargs)
        _check_replicas(self)
        if self.has_own_loss and self.step_options.microbatches > 1:
            raise ValueError(
                "`microbatches` needs the model's own loss, whose mean is over "
                "all tokens: leave `loss` out. Received: "
                f"microbatches={self.step_options.microbatches}, "
                f"loss={self.loss!r}"
            )
        if self.has_own_loss and self.step_options.label_smoothing:
            raise ValueError(
                "`label_smoothing` needs the model's own loss: leave `loss` "
                "out, or smooth there. Received: label_smoothing="
                f"{self.step_options.label_smoothing}, loss={self.loss!r}"
            )

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {**config, **dataclasses.asdict(self.step_options)}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def has_own_loss(self) -> bool:
        """Whether the loss is the user's, compiled or `compute_loss`."""
        overridden = _definer(self, "compute_loss") is not _definer(
            self, "step"
        )
        return self.loss is not None or overridden

    @property
    def needs_logits(self) -> bool:
        """Whether a training step has to make all logits at once.

        The model's own loss does without, in far less memory. What is the
        user's own, a loss, metrics or a subclass' `call`, does not.
        """
        methods = ("call", "step", "logits", "projection")
        return (
            self.has_own_loss
            or len(self.metrics) > 1  # the mean loss is one
            or type(self).compute_metrics is not keras.Model.compute_metrics
            or len({_definer(self, name) for name in methods}) > 1
        )

    @property
    def step_state(self):
        """`StepState`: the averages of the weights, and the recent steps."""
        if self._step_state is None:
            import tensorflow as tf

            from gpt_keras.training.step_state import StepState

            with tf.init_scope():
                if not self.built:
                    self.build((None, None))
                self._step_state = StepState(self, self.step_options)
        return self._step_state

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds what needs a batch's shapes.

        Keras takes the mean of the replicas' parts of the first batch, which
        fails where these have unequal numbers of rows.
        """
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            super()._maybe_symbolic_build(iterator, data_batch)
            return
        with strategy.scope():
            if not self.built:
                self.build((None, None))
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            if self.loss is None and len(self.metrics) == 1:
                return  # and the dataset need not be started for it
            if iterator is not None:
                _, _, batches = next(iter(iterator))
                data_batch = _of_one_replica(strategy, next(batches))
            self._symbolic_build(data_batch=data_batch)

    def make_train_function(self, force=False):
        if keras.backend.backend() == "tensorflow":
            with self.distribute_strategy.scope():
                self.step_state  # noqa: B018, made before the first step
        return super().make_train_function(force)

    def train_step(self, *args, **kwargs):
        if keras.backend.backend() != "tensorflow":
            return super().train_step(*args, **kwargs)
        from gpt_keras.training.exact_step import train_step

        return _for_keras(train_step(self, *args))

    def train_on_batch(
        self,
        x,
        y=None,
        sample_weight=None,
        class_weight=None,
        return_dict=False,
    ):
        """Trains, as `keras.Model` does: a list has loss and metrics alone."""
        logs = super().train_on_batch(
            x, y, sample_weight, class_weight, return_dict=True
        )
        if return_dict:
            return logs
        results = [logs[name] for name in logs if name not in _STEP_FACTS]
        return results[0] if len(results) == 1 else results

    def test_step(self, *args, **kwargs):
        if keras.backend.backend() != "tensorflow":
            return super().test_step(*args, **kwargs)
        from gpt_keras.training.exact_step import test_step

        return _for_keras(test_step(self, *args))

    def fit(self, *args, **kwargs):
        """Trains, as `keras.Model` does.

        Raises:
            ValueError: There was no batch to train on. Keras returns as if
                there had been.
        """
        history = super().fit(*args, **kwargs)
        names = [x for x in history.history if not x.startswith("val_")]
        if history.epoch and not names:
            raise ValueError(
                "`fit` must get at least one batch. Received: none"
            )
        return history

    def evaluate(self, *args, **kwargs):
        """Evaluates, as `keras.Model` does, with the averaged weights.

        Without `ema_decay` these are the weights.
        """
        with self.averaged_weights():
            return super().evaluate(*args, **kwargs)

    @contextlib.contextmanager
    def averaged_weights(self):
        """Inside, the model has the moving averages of its weights.

        They come with `compile(ema_decay=…)`; without, nothing changes.
        """
        state = self._step_state
        if state is None or not state.averages:
            yield
            return
        state.exchange()
        try:
            yield
        finally:
            state.exchange()


def _of_one_replica(strategy, batch):
    """Returns one replica's part of a distributed batch."""
    return keras.tree.map_structure(
        lambda values: strategy.experimental_local_results(values)[0], batch
    )


def _for_keras(logs: dict) -> dict:
    """Returns what a step logs in the shape that Keras can take it in.

    On several hosts it takes the mean over the first axis.
    """
    import tensorflow as tf

    from gpt_keras.training.hosts import Hosts

    if Hosts(tf.distribute.get_strategy()).count == 1:
        return logs
    return {name: tf.reshape(value, (1,)) for name, value in logs.items()}


def _definer(model, method: str) -> type:
    """Returns the class that defines a method of a model."""
    return next(kind for kind in type(model).__mro__ if method in vars(kind))


def _check_backend(options):
    if options and keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{', '.join(f'`{name}`' for name in options)} can be had on the "
            "TensorFlow backend only. Received: the "
            f"{keras.backend.backend()} backend"
        )


def _check_replicas(model):
    """Refuses what Keras fails at on several, and names the way out."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    ways = {
        "gradient_accumulation_steps": "compile(microbatches=…)",
        "use_ema": "compile(ema_decay=…)",
    }
    options = {name: getattr(inner, name, None) for name in ways}
    ways["steps_per_execution"] = "gpt_keras.training.execution.Execution"
    options["steps_per_execution"] = (
        model.steps_per_execution > 1 and model.steps_per_execution
    )
    for name, value in options.items():
        if value:
            raise ValueError(
                f"`{name}` can't be had on several replicas: use "
                f"`{ways[name]}`. Received: {name}={value}"
            )

"""A variant and a seed in, the curve of a whole run out."""

import dataclasses
import gc
import time

import keras
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.data import pipeline
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.training.execution import Execution
from gpt_keras.training.run_start import prepare_training
from tools.recipes.corpora import Corpus
from tools.recipes.corpora import read_corpus
from tools.recipes.models import model_class
from tools.recipes.switches import EXPERIMENTS
from tools.recipes.switches import settings_of


@dataclasses.dataclass(frozen=True)
class Setup:
    """What all runs have in common.

    Attributes:
        corpus: `"characters"` or `"byte_pairs"`.
        text: Pattern of its files.
        steps: Of a run, and of its schedule.
        every: Steps between two validations.
        validation_tokens: Of these; after the last step all are taken.
        vocab_size: Of byte pairs.
        d_model: Width of the model; its feed-forward layers have four times.
        num_layers: Blocks, each of four heads.
        max_length: Tokens in a window.
        batch_size: Windows in a step.
    """

    corpus: str
    text: str
    steps: int
    every: int
    validation_tokens: int
    vocab_size: int = 2048
    d_model: int = 128
    num_layers: int = 4
    max_length: int = 64
    batch_size: int = 12

    def read(self) -> Corpus:
        """Returns the tokens, read once."""
        return read_corpus(self.corpus, self.text, self.vocab_size)

    def config(self, settings, seed: int) -> TrainConfig:
        """Returns the configuration of a run."""
        fields = {k: v for k, v in settings.items() if k not in EXPERIMENTS}
        return TrainConfig(
            d_model=self.d_model,
            num_heads=4,
            dff=4 * self.d_model,
            num_layers=self.num_layers,
            max_length=self.max_length,
            batch_size=self.batch_size,
            steps=self.steps,
            seed=seed,
            **fields,
        )


def use_one_thread() -> None:
    """Has TensorFlow compute in one thread; before it has computed."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def train(setup: Setup, variant: str, seed: int) -> dict:
    """Trains once.

    Args:
        setup: Of all runs.
        variant: One of `switches.variants`.
        seed: Of weights and of the order of the data.

    Returns:
        `"curve"`, of each validation the step, the seconds of training until
        then, and the loss; `"ms_per_step"`; `"final_loss"`, over all that is
        for validation; `"parameters"`; and what was asked for. Seconds are
        those of the process on a processor, without tracing and validation.
    """
    settings = settings_of(variant)
    config, corpus = setup.config(settings, seed), setup.read()
    model = make_model(config, settings, corpus.vocab_size)
    losses = _loss_function(model)
    part = corpus.windows(setup.max_length, setup.validation_tokens)
    curve, seconds = [], 0.0
    for step, more in _executions(model, config, corpus, setup.every):
        seconds += more
        curve.append([step, seconds, _mean_loss(losses, *part)])
    figures = {
        "variant": variant,
        "seed": seed,
        "settings": settings,
        "parameters": model.count_params(),
        "curve": curve,
        "ms_per_step": 1000 * seconds / config.steps,
        "final_loss": _mean_loss(losses, *corpus.windows(setup.max_length)),
    }
    del model, losses
    keras.backend.clear_session()
    gc.collect()
    return figures


def make_model(config, settings, vocab_size: int):
    """Returns a model that is ready to be trained."""
    keras.utils.set_random_seed(config.seed)
    kind = model_class(*(settings[name] for name in EXPERIMENTS))
    model = kind(vocab_size=vocab_size, **config.model_arguments())
    model.build((None, config.max_length))
    prepare_training(config, model)
    return model


def _executions(model, config, corpus, every: int):
    """Trains; gives the step and the seconds since the last one."""
    batches = _batches(config, corpus)
    execution = Execution(
        model, config.steps, [every], at=[1], most=config.steps, seconds=1e6
    )
    _compile(model, lambda: execution(batches))
    step, seconds = 0, 0.0
    while step < config.steps:
        began = time.process_time()
        logs = execution(batches)
        float(logs["loss"])  # waits for the device
        seconds += time.process_time() - began
        step = int(model.optimizer.iterations)
        if step == config.steps or step % every == 0:
            yield step, seconds
            seconds = 0.0


def _batches(config, corpus):
    """Returns an iterator over all batches, read before the first step."""
    dataset = pipeline.training_batches(
        TokenSplit.from_array(corpus.train, vocab_size=corpus.vocab_size),
        length=config.max_length,
        batch_size=config.batch_size,
        seed=config.seed,
        num_steps=config.steps + 1,  # one to compile with
    )
    batches = [*dataset]
    stacked = tuple(tf.stack(tensors) for tensors in zip(*batches, strict=True))
    return iter(tf.data.Dataset.from_tensor_slices(stacked))


def _compile(model, take_step):
    """Takes a step, and takes it back."""
    variables = [*model.variables, *model.optimizer.variables]
    variables += model.step_state.variables
    variables = {id(x): x for x in variables}.values()
    before = [x.numpy() for x in variables]
    take_step()
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _loss_function(model):
    signature = [tf.TensorSpec((None, model.max_length), tf.int64)] * 2

    @tf.function(autograph=False, input_signature=signature)
    def losses(inputs, labels):
        logits = model(inputs, training=False)
        return tf.reduce_sum(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )

    return losses


def _mean_loss(losses, inputs, labels):
    total = 0.0
    for begin in range(0, len(inputs), 64):
        part = slice(begin, begin + 64)
        total += float(losses(inputs[part], labels[part]))
    return total / labels.size

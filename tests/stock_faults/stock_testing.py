"""A kind of model in, a tiny compiled one out: stock Keras' trainer or ours.

Both have the layers of `GPTModel`; `Stock` has the training step, the loss and
the checks (none) of `keras.Model`. A test of this folder makes one check of
both: it finds the fault in the one and not in the other.
"""

import keras
import numpy as np

from gpt_keras import GPTModel

VOCAB_SIZE, LENGTH = 20, 6


class Stock(keras.Model):
    """The layers of `GPTModel` under all that is Keras' own."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.gpt = GPTModel(*args, **kwargs)

    def build(self, input_shape):
        self.gpt.build(input_shape)

    def call(self, x, training=None):
        return self.gpt.step(x, training=training)[0]


def make_model(kind, optimizer="sgd", rate=0.0, **options):
    """Returns a model, the same weights in each; compiled.

    Args:
        kind: `Stock` or `GPTModel`.
        optimizer: As `compile` takes it.
        rate: Dropout rate.
        **options: Of `compile`.
    """
    keras.utils.set_random_seed(0)
    model = kind(VOCAB_SIZE, 8, 2, 16, LENGTH, rate, num_layers=1)
    model.build((None, None))
    if kind is Stock:
        options = {"loss": stock_loss(), "jit_compile": False, **options}
    model.compile(optimizer, **options)
    return model


def stock_loss(reduction="sum_over_batch_size"):
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction
    )


def layers_of(model) -> GPTModel:
    """Returns the `GPTModel` that has the layers."""
    return model.gpt if isinstance(model, Stock) else model


def make_batch(rows=8, seed=0):
    """Returns token ids and labels, `(rows, LENGTH)` int32."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, VOCAB_SIZE, (2, rows, LENGTH)).astype("int32")


def weights_of(model):
    """Returns all weights of a model in one vector."""
    weights = sorted(layers_of(model).weights, key=lambda weight: weight.path)
    return np.concatenate([np.ravel(weight.numpy()) for weight in weights])

"""A configuration and a model in, the optimizer with its schedule out."""

import keras

from gpt_keras.training.adamw import MatrixAdamW
from gpt_keras.training.muon import Muon
from gpt_keras.training.schedules import make_schedule


def make_optimizer(config, model) -> keras.optimizers.Optimizer:
    """Returns AdamW, or Muon for the matrices of the blocks.

    Embeddings, positions, the final layer and all vectors are AdamW's in
    either case. Matrices decay, vectors (biases and norms) don't.

    Args:
        config: `TrainConfig`.
        model: A `GPTModel`.
    """
    options = dict(
        learning_rate=make_schedule(config),
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=1e-8,  # Kingma & Ba 2015, algorithm 1
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
    )
    if config.optimizer == "muon":
        return Muon(
            **options,
            momentum=config.muon_momentum,
            matrices=block_matrices(model),
        )
    return MatrixAdamW(**options)


def block_matrices(model) -> dict[str, int]:
    """Returns the names of a block's kernels, and of how many each consists.

    Args:
        model: A `GPTModel`, whose blocks are all made alike.
    """
    layers = model.blocks[0].projections
    return {
        f"{layer.name}/kernel": parts
        for layer, parts in zip(layers, (3, 1, 1, 1), strict=True)
    }

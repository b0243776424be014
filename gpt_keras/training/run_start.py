"""A configuration and a folder in, a model as its run stands out."""

import pathlib
from collections.abc import Callable

import keras
import tensorflow as tf

from gpt_keras.config_rules import VALIDATION_LOSS
from gpt_keras.layers.lora import enable_lora
from gpt_keras.model import GPTModel
from gpt_keras.training import model_folder
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.run_log import logged


def begin_run(
    config,
    folder: pathlib.Path,
    vocab_size: int,
    end_of_text_id: int | None,
    load_weights: Callable[[str, GPTModel], None],
    strategy: tf.distribute.Strategy,
    hosts: Hosts,
) -> tuple[GPTModel, TrainingCheckpoint]:
    """Makes the model and its checkpoint, and claims the folder.

    The chief reads files out of the strategy's scope, in which all hosts must
    make the same variables.

    Args:
        config: `TrainConfig`.
        folder: The model folder.
        vocab_size: Of the tokenizer.
        end_of_text_id: Of the tokenizer; for `config.document_mask` alone.
        load_weights: Gives a built model the weights that `config.init_from`
            names.
        strategy: Of the run.
        hosts: Of the strategy.

    Returns:
        Both, as the run stands.

    Raises:
        ValueError: The folder holds another run, or `config.document_mask`
            finds no `end_of_text_id`.
        OSError: It can't be written.
    """

    def read_base():
        model_folder.load_base(model, folder, config, load_weights)

    def read():
        step = checkpoint.read()
        if step == 0 and config.init_from and not config.lora_rank:
            load_weights(config.init_from, model)
            model.step_state.restart_averages()
        # Not before all could be made: a mistaken option is no claim.
        model_folder.claim(folder, config, vocab_size, end_of_text_id)
        if config.lora_rank:
            model_folder.keep_base(model, folder)
        found = logged(folder, config.keep_best_by, step).values()
        sign = 1 if config.keep_best_by == VALIDATION_LOSS else -1
        checkpoint.recall_losses(sign * x for x in found if x is not None)

    hosts.on_chief(lambda: model_folder.check_free(folder, config, vocab_size))
    with strategy.scope():
        model = make_model(config, vocab_size, end_of_text_id)
    if config.lora_rank:
        hosts.on_chief(read_base)
    with strategy.scope():
        prepare_training(config, model)
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


def make_model(
    config, vocab_size: int, end_of_text_id: int | None = None
) -> GPTModel:
    """Returns the model, its weights made."""
    arguments = model_folder.model_arguments(config, vocab_size, end_of_text_id)
    keras.utils.set_random_seed(config.seed)
    model = GPTModel(**arguments, remat=config.remat, dtype=config.dtype)
    model.build((None, config.max_length))
    return model


def prepare_training(config, model) -> None:
    """Makes adapters, if need be, and the optimizer with its slots."""
    if config.lora_rank:
        enable_lora(model, config.lora_rank, config.lora_alpha, config.seed)
    model.compile(make_optimizer(config, model), **config.step_options())
    model.optimizer.build(model.trainable_variables)

"""Configurations with every switch of the model, and the models themselves."""

import functools

from gpt_keras.config import TrainConfig
from gpt_keras.layers.lora import enable_lora
from gpt_keras.model import GPTModel

VOCAB_SIZE = 50
# As flags of a program that plans.
TINY = (
    "--d_model=16",
    "--num_heads=2",
    "--dff=32",
    "--num_layers=1",
    "--max_length=16",
    "--batch_size=4",
    "--vocab_size=60",
)
_SIZES = {"d_model": 16, "num_heads": 4, "dff": 24, "num_layers": 2}
SWITCHES = {
    "document": {},
    "gpt2": dict(position="learned", activation="gelu", tie_embeddings=True),
    "modern": dict(
        position="rotary",
        qk_norm=True,
        norm="rms",
        activation="relu_squared",
        use_bias=False,
        vocab_multiple=64,
        num_layers=3,
    ),
    "post": dict(norm_order="post", vocab_multiple=8, dff=7, num_heads=1),
    "adapters": dict(lora_rank=3, init_from="x", tie_embeddings=True),
    "muon": dict(optimizer="muon", ema_decay=0.9, use_bias=False),
}


def config_of(name: str, **changes) -> TrainConfig:
    """Returns a tiny configuration with the switches of that name."""
    return TrainConfig(**_SIZES | {"max_length": 16} | SWITCHES[name] | changes)


@functools.cache
def model_of(name: str) -> GPTModel:
    """Returns its model, built, with adapters if it has some."""
    config = config_of(name)
    model = GPTModel(VOCAB_SIZE, **config.model_arguments())
    model.build((None, config.max_length))
    if config.lora_rank:
        enable_lora(model, config.lora_rank)
    return model

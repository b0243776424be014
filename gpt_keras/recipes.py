"""The sizes of models by name, and the settings of whole runs by name."""

from typing import Any

from gpt_keras.config import TrainConfig
from gpt_keras.task_recipes import TASK_RECIPES

_SMALL = dict(d_model=128, num_heads=4, dff=512, num_layers=4)
# 0.02, GPT-2's initialisation, is too small at this width.
_SMALL_AND_PLAIN = dict(
    **_SMALL,
    tie_embeddings=True,
    scale_embeddings=False,
    use_bias=False,
    initializer_stddev=0.05,
)

# Arguments of GPTModel, the vocabulary excepted.
MODEL_PRESETS: dict[str, dict[str, Any]] = {
    # The architecture of the published introduction to GPT, made right: what
    # GPTModel does unless told otherwise.
    "document": dict(**_SMALL, max_length=128),
    # nanoGPT's CPU configuration of shakespeare_char.
    "char_small": dict(
        **_SMALL_AND_PLAIN,
        max_length=64,
        position="learned",
        activation="gelu",
    ),
    # The same size with what learns faster: rotary positions, normalised
    # queries and keys, squared ReLU.
    "modern_small": dict(
        **_SMALL_AND_PLAIN,
        max_length=128,
        position="rotary",
        activation="relu_squared",
        qk_norm=True,
    ),
    # Radford et al. 2019, the smallest of four, 124M parameters.
    "gpt2_small": dict(
        d_model=768,
        num_heads=12,
        dff=3072,
        num_layers=12,
        max_length=1024,
        position="learned",
        activation="gelu",
        tie_embeddings=True,
        scale_embeddings=False,
    ),
}

RECIPES: dict[str, TrainConfig] = {
    # About two minutes on two CPU cores, on text that Python carries.
    "quickstart": TrainConfig(
        **MODEL_PRESETS["modern_small"],
        rate=0.2,
        vocab_size=1024,
        batch_size=16,
        steps=800,
        learning_rate=3e-3,
        min_learning_rate=1e-4,
        validate_every=200,
        checkpoint_every=200,
        sample_every=200,
        sample_prompt="The",
    ),
    "document": TrainConfig(**MODEL_PRESETS["document"], rate=0.1),
    "shakespeare_char": TrainConfig(
        **MODEL_PRESETS["char_small"],
        tokenizer="character",
        batch_size=12,
        steps=2000,
    ),
    "gpt2_small": TrainConfig(
        **MODEL_PRESETS["gpt2_small"],
        vocab_size=50257,
        validation_fraction=0.0005,
        batch_size=512,
        steps=600_000,
        learning_rate=6e-4,
        min_learning_rate=6e-5,
        warmup_steps=2000,
        beta_2=0.95,
        dtype="mixed_bfloat16",
        validate_every=1000,
        validation_batches=40,
        checkpoint_every=1000,
        sample_every=1000,
    ),
    **TASK_RECIPES,
}

"""A configuration and a model in, the optimizer with its schedule out."""

import keras


def make_optimizer(config, model) -> keras.optimizers.Optimizer:
    """Returns AdamW with warm-up and cosine decay, its slots made.

    Matrices decay, vectors (biases and norms) don't.

    Args:
        config: `TrainConfig`.
        model: A built model.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=make_schedule(config),
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=1e-8,
        weight_decay=config.weight_decay or None,
        global_clipnorm=config.clip_norm or None,
    )
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in model.trainable_variables if len(v.shape) < 2]
        )
    return optimizer


def make_schedule(config):
    """Returns linear warm-up from 0, then cosine decay to the minimum."""
    if config.learning_rate <= 0:
        raise ValueError(
            "`learning_rate` must be positive. Received: "
            f"learning_rate={config.learning_rate}"
        )
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0
        if config.warmup_steps
        else config.learning_rate,
        warmup_target=config.learning_rate if config.warmup_steps else None,
        warmup_steps=config.warmup_steps,
        decay_steps=max(config.steps - config.warmup_steps, 1),
        alpha=config.min_learning_rate / config.learning_rate,
    )

"""The settings of a training run in, an error for one that breaks a rule."""

import dataclasses

# What `gpt_keras.evaluation.text_metrics` scores texts by.
METRICS = (
    "bleu",
    "chrf",
    "rouge1",
    "rouge2",
    "rougeL",
    "rougeLsum",
    "exact_match",
    "f1",
    "accuracy",
    "distinct1",
    "distinct2",
    "repetition4",
    "regular_verse",
)
VALIDATION_LOSS = "val_loss"
# The choices of the fields that name one.
_CHOICES = {
    "batching": ("packed", "length_buckets", "best_fit"),
    "schedule": ("cosine", "linear", "trapezoid", "constant"),
    "optimizer": ("adamw", "muon"),
    "loss_on": ("", "response", "all"),
}
_POSITIVE = (
    "steps",
    "batch_size",
    "num_buckets",
    "log_every",
    "keep_checkpoints",
    "metrics_examples",
    "metrics_tokens",
    "microbatches",
)
_NOT_NEGATIVE = (
    "final_learning_rate",
    "warmup_steps",
    "decay_steps",
    "lora_rank",
    "weight_decay",
    "clip_norm",
    "seed",
    "logical_cpus",
    "workers",
    "validation_pairs",
    "validate_every",
    "validation_batches",
    "checkpoint_every",
    "sample_every",
    "metrics_every",
    "max_skipped",
    "steps_per_execution",
    "peak_teraflops",
)


def check_config(config) -> None:
    """Checks each setting, and those that belong together.

    The options of a step have rules of their own: see `StepOptions`.

    Args:
        config: `TrainConfig`.

    Raises:
        ValueError: A setting breaks a rule.
    """
    for field in dataclasses.fields(config):
        _check_type(field, getattr(config, field.name))
    for name in _POSITIVE:
        _check(getattr(config, name) >= 1, name, "positive", config)
    for name in _NOT_NEGATIVE:
        _check(getattr(config, name) >= 0, name, "at least 0", config)
    _check(0 <= config.rate < 1, "rate", "in [0, 1)", config)
    _check_optimisation(config)
    _check_adapters(config)
    _check_one_corpus(config)
    _check_pairs(config)
    _check_metrics(config)


def _check(holds: bool, name: str, rule: str, config):
    if not holds:
        raise ValueError(
            f"`{name}` must be {rule}. Received: {name}={getattr(config, name)}"
        )


def _check_one_corpus(config):
    names = ("text", "tfds", "tokens", "pairs")
    given = {name: getattr(config, name) for name in names}
    given = [f"{name}={value!r}" for name, value in given.items() if value]
    if len(given) > 1:
        raise ValueError(
            "Give one of `text`, `tfds`, `tokens` and `pairs`. Received: "
            f"{', '.join(given)}"
        )


def _check_pairs(config):
    if config.validation_files and not config.pairs:
        raise ValueError(
            "`validation_files` needs `pairs`. Received: validation_files="
            f"{config.validation_files!r}, pairs=''"
        )
    if config.validation_pairs and config.validation_files:
        raise ValueError(
            "Give one of `validation_pairs` and `validation_files`. Received: "
            f"validation_pairs={config.validation_pairs}, "
            f"validation_files={config.validation_files!r}"
        )


def _check_metrics(config):
    names = config.metrics.split(",") if config.metrics else []
    if len(set(names)) < len(names) or not set(names) <= set(METRICS):
        raise ValueError(
            f"`metrics` must be of {', '.join(METRICS)}, each once and "
            f"separated by commas. Received: metrics={config.metrics!r}"
        )
    # A recipe names no corpus yet: `make_measure` raises where none comes.
    is_text = config.tfds and not config.template
    if config.metrics_every and (config.text or config.tokens or is_text):
        raise ValueError(
            "`metrics_every` needs prompts with references: give `pairs`, or "
            "`tfds` with `template`. Received: metrics_every="
            f"{config.metrics_every}"
        )
    chosen = config.keep_best_by
    if chosen == VALIDATION_LOSS:
        return
    if chosen not in METRICS or chosen.startswith("repetition"):
        raise ValueError(
            f"`keep_best_by` must be {VALIDATION_LOSS} or a metric that is "
            f"best when it is highest. Received: keep_best_by={chosen!r}"
        )
    if not (config.metrics_every and config.keep_best):
        raise ValueError(
            "`keep_best_by` needs `metrics_every` and `keep_best`. Received: "
            f"keep_best_by={chosen!r}, metrics_every={config.metrics_every}, "
            f"keep_best={config.keep_best}"
        )
    if names and chosen not in names:
        raise ValueError(
            "`keep_best_by` must be one of `metrics`. Received: "
            f"keep_best_by={chosen!r}, metrics={config.metrics!r}"
        )


def _check_optimisation(config):
    for name, choices in _CHOICES.items():
        value = getattr(config, name)
        rule = f"one of {', '.join(filter(None, choices))}"
        _check(value in choices, name, rule, config)
    for name in ("muon_momentum", "beta_1", "beta_2"):
        _check(0 <= getattr(config, name) < 1, name, "in [0, 1)", config)
    _check(config.learning_rate > 0, "learning_rate", "positive", config)
    if config.schedule != "constant":
        _check(
            config.final_learning_rate <= config.learning_rate,
            "final_learning_rate",
            f"at most the learning rate, {config.learning_rate}",
            config,
        )
    if config.decay_steps and config.schedule != "trapezoid":
        raise ValueError(
            "`decay_steps` needs the schedule 'trapezoid'. Received: "
            f"decay_steps={config.decay_steps}, schedule={config.schedule!r}"
        )
    if config.decay_steps and (
        config.warmup_steps + config.decay_steps > config.steps
    ):
        raise ValueError(
            "`warmup_steps` and `decay_steps` must fit into `steps`. "
            f"Received: warmup_steps={config.warmup_steps}, "
            f"decay_steps={config.decay_steps}, steps={config.steps}"
        )


def _check_adapters(config):
    rank, alpha = config.lora_rank, config.lora_alpha
    if alpha is not None and not (rank and alpha > 0):
        raise ValueError(
            "`lora_alpha` must be positive, and needs `lora_rank`. Received: "
            f"lora_alpha={alpha}, lora_rank={rank}"
        )
    if not rank:
        return
    largest = min(config.d_model, config.dff)
    _check(
        rank <= largest,
        "lora_rank",
        f"at most the smaller of `d_model` and `dff`, {largest}",
        config,
    )
    if not config.init_from:
        raise ValueError(
            "`lora_rank` needs `init_from`: beside random weights that stay "
            "as they are adapters learn little. Received: "
            f"lora_rank={rank}, init_from=''"
        )
    if config.optimizer == "muon":
        raise ValueError(
            "`lora_rank` needs the optimizer 'adamw': the matrices that Muon "
            f"is for are frozen. Received: lora_rank={rank}, "
            "optimizer='muon'"
        )


def _check_type(field, value):
    expected = field.type if isinstance(field.type, type) else None
    if expected is float and isinstance(value, int):
        return
    if expected and not isinstance(value, expected):
        raise ValueError(
            f"`{field.name}` must be of type {expected.__name__}. Received: "
            f"{field.name}={value!r}"
        )

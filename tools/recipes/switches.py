"""The baseline and what is switched in it, each with the settings it needs."""

from typing import Any

# Settings that aren't in `TrainConfig`: see `models`.
EXPERIMENTS = ("soft_cap", "value_embeddings")

# nanoGPT's train_shakespeare_char.py, but for its dropout.
BASELINE: dict[str, Any] = dict(
    position="learned",
    activation="gelu",
    norm="layer",
    tie_embeddings=True,
    scale_embeddings=False,
    use_bias=False,
    initializer_stddev=0.02,
    optimizer="adamw",
    learning_rate=1e-3,
    beta_1=0.9,
    beta_2=0.99,
    weight_decay=0.1,
    clip_norm=1.0,
    warmup_steps=100,
    schedule="cosine",  # to a tenth
)
# Of two that set the same, the later one counts.
SWITCHES: dict[str, dict[str, Any]] = {
    "initialisation": dict(initializer_stddev=0.05),
    "zero_init": dict(zero_init_residual=True),
    "rotary": dict(position="rotary"),
    "qk_norm": dict(qk_norm=True),
    "relu_squared": dict(activation="relu_squared"),
    "rms_norm": dict(norm="rms"),
    "untied": dict(tie_embeddings=False),
    "value_embeddings": dict(value_embeddings=True),
    "soft_cap": dict(soft_cap=True),
    "linear": dict(schedule="linear", min_learning_rate=0.0),
    "learning_rate": dict(learning_rate=3e-3),
    "muon": dict(optimizer="muon", learning_rate=1e-2, muon_momentum=0.95),
}
ALONE = ("baseline", *SWITCHES)
TOGETHER = "all"
_WITHOUT = "all but "


def variants(with_each_left_out: bool = False) -> list[str]:
    """Returns the names of what is measured, in the order of its turns.

    Args:
        with_each_left_out: Whether all switches but one are measured too,
            those aside that change nothing beside the others.
    """
    names = [*ALONE, TOGETHER]
    if with_each_left_out:
        everything = settings_of(TOGETHER)
        left_out = [_WITHOUT + name for name in SWITCHES]
        names += [x for x in left_out if settings_of(x) != everything]
    return names


def compared_with(variant: str) -> str:
    """Returns the variant that another one differs from by one switch."""
    return TOGETHER if variant.startswith(_WITHOUT) else ALONE[0]


def settings_of(variant: str) -> dict[str, Any]:
    """Returns fields of `TrainConfig` and `EXPERIMENTS` of a variant.

    Raises:
        ValueError: There is none of this name.
    """
    left_out = variant.removeprefix(_WITHOUT)
    if variant in SWITCHES:
        switched = [variant]
    elif variant == ALONE[0]:
        switched = []
    elif variant == TOGETHER:
        switched = [*SWITCHES]
    elif left_out != variant and left_out in SWITCHES:
        switched = [name for name in SWITCHES if name != left_out]
    else:
        raise ValueError(
            f"A variant must be one of {', '.join(ALONE)}, {TOGETHER} or "
            f"{_WITHOUT}…. Received: {variant}"
        )
    settings = dict.fromkeys(EXPERIMENTS, False) | BASELINE
    for name in switched:
        settings |= SWITCHES[name]
    return settings

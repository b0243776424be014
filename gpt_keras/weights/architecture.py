"""A model in, whether GPT-2's formats can express it and whether it is of the
architecture of given weights out: an error with every reason.
"""

from typing import Any

import numpy as np

# What the arguments of GPTModel are in every GPT-2.
GPT2: dict[str, Any] = {
    "position": "learned",
    "activation": "gelu",
    "norm_order": "pre",
    "norm": "layer",
    "qk_norm": False,
    "scale_embeddings": False,
    "use_bias": True,
    "vocab_multiple": 1,
}
# What doesn't change what the weights mean.
_FREE = ("rate", "initializer_stddev", "zero_init_residual", "remat")


def check_expressible(model, format: str, **further) -> None:
    """Checks that a format of GPT-2's can hold a model.

    Args:
        model: A built `GPTModel`.
        format: Its name, for the error.
        **further: Arguments of `GPTModel` that this format fixes beside
            those of every GPT-2.

    Raises:
        ValueError: It can't; with all the reasons.
    """
    reasons = [
        f"{name} is {getattr(model, name)!r}, and always {value!r} there"
        for name, value in {**GPT2, **further}.items()
        if getattr(model, name) != value
    ]
    if not model.tie_embeddings and model.use_bias:
        if np.any(np.asarray(model.final_layer.bias)):
            reasons.append(
                "the head has a bias that isn't zero, and none there"
            )
    if reasons:
        raise ValueError(
            f"The format {format} can't express this model. Received: "
            f"{'; '.join(reasons)}"
        )


def check_same(model, arguments: dict, where: str) -> None:
    """Checks that a model is of the architecture of some weights.

    Args:
        model: A `GPTModel`.
        arguments: Of the `GPTModel` that the weights are for; those of
            training don't count.
        where: Where the weights lie, for the error.

    Raises:
        ValueError: It isn't; names each argument that differs.
    """
    config = model.get_config()
    free = [*_FREE]
    if config["position"] != "learned":
        free.append("max_length")  # no weight depends on it
    if arguments.get("document_separator_id") is None:
        # What was learned without may go on with it; the reverse is refused.
        free.append("document_separator_id")
    differences = [
        f"{name}: {value!r} there, {config[name]!r} here"
        for name, value in arguments.items()
        if name not in free and config[name] != value
    ]
    if differences:
        raise ValueError(
            f"The weights in {where!r} are of another architecture. Give the "
            f"model theirs. Received: {'; '.join(differences)}"
        )

"""Flags of a memorisation check in, its tokens and its task out."""

import os
import pathlib
from typing import NamedTuple

from absl import flags

from gpt_keras.cli.training_data import SOURCES
from gpt_keras.cli.training_data import TOKENS
from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_sources import TokenSources
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.evaluation.continuations import ContinuationTask
from gpt_keras.evaluation.memorisation import SPAN_TOKENS
from gpt_keras.evaluation.memorisation import memorisation_task
from gpt_keras.evaluation.task import check_window

SUITE = "memorisation"
_FLAGS = ("tokens", "items", "span_tokens")
_NOT_FOR_IT = (
    "text",
    "tfds",
    "tfds_field",
    "stride",
    "detokenizer",
)


class TrainedTokens(NamedTuple):
    """What a model was trained on.

    Attributes:
        splits: `"train"` and, where there is one, `"validation"`.
        fingerprint: Of the tokenizer that made them.
        description: Their manifests' SHA-256 by the folder's name.
    """

    splits: dict[str, TokenSplit]
    fingerprint: str
    description: dict


def define_flags(values) -> None:
    """Defines the flags that only this suite has."""
    flags.DEFINE_string(
        "tokens",
        None,
        "Of `memorisation`: folders of tokens, as for tools.train, instead of "
        "those in the model folder.",
        flag_values=values,
    )
    for name, default, meaning in (
        ("items", 200, "texts to write, and windows to take of each split"),
        (
            "span_tokens",
            None,
            f"tokens of a span; by itself {SPAN_TOKENS}, or half of what the "
            "model reads",
        ),
    ):
        flags.DEFINE_integer(
            name,
            default,
            f"Of `memorisation`: {meaning}.",
            flag_values=values,
        )


def check_flags(values) -> None:
    """Refuses flags that the suite doesn't have.

    Raises:
        ValueError: There are some.
    """
    is_this = values.suite == SUITE
    for name in _NOT_FOR_IT if is_this else _FLAGS:
        if values[name].present:
            suites = f"other suites than {SUITE}" if is_this else SUITE
            raise ValueError(
                f"`{name}` is for {suites}. Received: "
                f"{name}={values[name].value}, suite={values.suite}"
            )


def make_source(values) -> TrainedTokens:
    """Returns the tokens that the model was trained on.

    Raises:
        ValueError: A store is damaged, or it isn't known which they are.
        OSError: A file is missing or can't be read.
    """
    if values.tokens:
        found = TokenSources(values.tokens)
        return _tokens(
            found.splits(), found.tokenizer.fingerprint, found.stores
        )
    folder = pathlib.Path(values.model_dir) / TOKENS
    if not (folder / MANIFEST).exists():
        named = pathlib.Path(values.model_dir) / SOURCES
        where = f"{str(named)!r} names them" if named.exists() else "none there"
        raise ValueError(
            "`tokens` must name what the model was trained on where the model "
            f"folder has no {TOKENS!r}. Received: none; {where}"
        )
    store = TokenStore(folder)
    splits = {name: store.split(name) for name in store.split_names}
    return _tokens(splits, store.manifest["tokenizer"], {str(folder): store})


def make_task(
    values, source: TrainedTokens, tokenizer, longest: int
) -> ContinuationTask:
    """Returns the task of the flags; arguments as `evaluation_task`'s.

    Raises:
        ValueError: A flag is out of range, or the tokens are of another
            tokenizer.
    """
    if tokenizer.fingerprint != source.fingerprint:
        raise ValueError(
            "`tokens` must be of the model's tokenizer. Received: fingerprints "
            f"{source.fingerprint} of the tokens, {tokenizer.fingerprint} of "
            "the model"
        )
    max_length = longest if values.max_length is None else values.max_length
    check_window(max_length, longest)
    return memorisation_task(
        source.splits["train"],
        source.splits.get("validation"),
        end_of_text_id=tokenizer.end_of_text_id,
        max_length=max_length,
        span_tokens=values.span_tokens,
        items=values.items,
        seed=values.seed,
    )


def _tokens(splits, fingerprint: str, stores) -> TrainedTokens:
    manifests = {
        os.path.basename(os.path.abspath(folder)): store.manifest["sha256"]
        for folder, store in stores.items()
    }
    return TrainedTokens(splits, fingerprint, {"tokens": manifests})

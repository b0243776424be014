"""Folders of token stores and their weights in, one corpus out."""

import fractions
import os
import re

from gpt_keras.data.mixing import Mixture
from gpt_keras.data.mixing import weights_by_size
from gpt_keras.data.mixing import whole_weights
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.text.tokenizer import load_tokenizer

_RULE = (
    "`tokens` must be a folder that `tools.prepare` made, or several as "
    "FOLDER=WEIGHT,FOLDER=WEIGHT, or several without weights"
)
_WEIGHT = re.compile(r"(.*)=(\d+(?:\.\d*)?|\.\d+)")


class TokenSources:
    """Opens token stores to be read as one.

    Args:
        text: One folder; or several, separated by commas, each followed by
            `=` and its weight; or several without, which count by their size.
        verify: As for `TokenStore`.

    Attributes:
        tokenizer: That all of them were made by.
        stores: Folder → `TokenStore`.
        mixture: Of the training splits.

    Raises:
        FileNotFoundError: A folder has no manifest, or a shard is missing.
        ValueError: `text` is not as above, the stores are of several
            tokenizers, or one is damaged.
    """

    def __init__(self, text: str, verify: bool | None = None):
        weights = parse_sources(text)
        self.stores = {folder: TokenStore(folder, verify) for folder in weights}
        self.tokenizer = _common_tokenizer(self.stores)
        sizes = tuple(
            store.split("train").num_tokens for store in self.stores.values()
        )
        given = [weight for weight in weights.values() if weight is not None]
        if len(given) < len(weights):
            whole = weights_by_size(sizes)
        else:
            whole = whole_weights(given)
        self.mixture = Mixture(sizes, whole)

    @property
    def facts(self) -> list[dict]:
        """Folder's name, weight and manifest of each, shards left out."""
        return [
            {
                "name": os.path.basename(os.path.abspath(folder)),
                "weight": weight,
                "manifest": _without_shards(store.manifest),
            }
            for (folder, store), weight in zip(
                self.stores.items(), self.mixture.weights, strict=True
            )
        ]

    @property
    def identity(self) -> tuple[tuple[str, int], ...]:
        """What tells these tokens and weights from others."""
        return tuple(identity(self.facts))

    def splits(self) -> dict[str, TokenSplit]:
        """The splits of all stores, one store after the other in each."""
        return {
            name: TokenSplit.joined(list(self.parts(name).values()))
            for name in ("train", "validation")
            if self.parts(name)
        }

    def parts(self, name: str) -> dict[str, TokenSplit]:
        """Folder → the split of that name, where the store has it."""
        return {
            folder: store.split(name)
            for folder, store in self.stores.items()
            if name in store.split_names
        }

    def describe(self, num_windows: int, length: int) -> list[str]:
        """Says what a run takes of each source, a line for each."""
        lines = []
        for folder, size, share in zip(
            self.stores, self.mixture.sizes, self.mixture.shares(), strict=True
        ):
            epochs = num_windows * share * length / size
            lines.append(
                f"{folder}: {size:,} tokens, {share:.1%} of the run, "
                f"{epochs:.2f} epochs"
            )
        return lines


def identity(facts: list[dict]) -> list[tuple[str, int]]:
    """What of `TokenSources.facts` a run depends on: not where folders are."""
    return [(fact["manifest"]["sha256"], fact["weight"]) for fact in facts]


def parse_sources(text: str) -> dict[str, fractions.Fraction | None]:
    """Returns the weight of each folder; None for all where none is given.

    Raises:
        ValueError: The text is not as for `TokenSources`.
    """
    found = {}
    for part in text.split(","):
        folder, weight = part.strip(), None
        if match := _WEIGHT.fullmatch(folder):
            folder, weight = match[1], fractions.Fraction(match[2])
        folder = os.path.normpath(os.path.expanduser(folder)) if folder else ""
        if not folder or folder in found:
            raise ValueError(f"{_RULE}, each once. Received: tokens={text!r}.")
        found[folder] = weight
    if len(found) > 1 and 0 < list(found.values()).count(None) < len(found):
        raise ValueError(
            f"{_RULE}: a weight for each or for none. Received: "
            f"tokens={text!r}."
        )
    return found


def _common_tokenizer(stores: dict[str, TokenStore]):
    prints = {
        folder: store.manifest["tokenizer"] for folder, store in stores.items()
    }
    if len(set(prints.values())) > 1:
        raise ValueError(
            "Token stores must be of the same tokenizer to be mixed: prepare "
            "the others with --tokenizer=FOLDER of the first. Received: "
            f"{prints}."
        )
    folder, fingerprint = next(iter(prints.items()))
    tokenizer = load_tokenizer(folder)
    if tokenizer.fingerprint != fingerprint:
        raise ValueError(
            f"The tokenizer in {folder!r} must have fingerprint "
            f"{fingerprint}. Received: {tokenizer.fingerprint}."
        )
    return tokenizer


def _without_shards(manifest: dict) -> dict:
    splits = {
        name: {key: x for key, x in split.items() if key != "shards"}
        for name, split in manifest["splits"].items()
    }
    return manifest | {"splits": splits}

"""A configuration in, the tokenizer and the tokens that it names out."""

import dataclasses
import json
import pathlib

from gpt_keras.cli import model_source
from gpt_keras.cli.pair_data import learns_responses
from gpt_keras.cli.pair_data import left_out_lines
from gpt_keras.cli.pair_data import pair_source
from gpt_keras.cli.pair_data import pair_split
from gpt_keras.cli.progress_bar import ProgressBar
from gpt_keras.config import TrainConfig
from gpt_keras.data import sources
from gpt_keras.data.mixing import Mixture
from gpt_keras.data.preparation import prepare
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.data.shared_store import open_shared
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.data.store_report import update_report
from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_sources import TokenSources
from gpt_keras.data.token_sources import identity
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.files import write_atomically
from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.special_tokens import with_special_tokens
from gpt_keras.text.tokenizer import load_tokenizer

# In the model folder: the tokens of its own, or which others it trains on.
TOKENS = "tokens"
SOURCES = "token_sources.json"


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a run reads.

    Attributes:
        tokenizer: That made the tokens.
        splits: `"train"` and, where there is one, `"validation"`.
        validation_parts: Folder → its validation split, where several sources
            are mixed.
        mixture: Of the sources of the training split; None for one source.
        facts: Which tokens a run of `tokens` reads; None for its own tokens.
        lines: Says what the data is.
        identity: A manifest's SHA-256 and a weight for each source: what
            `read_shared_data` wants.
        loss: Where the text is prompts with responses: what to learn of them.
    """

    tokenizer: object
    splits: dict[str, TokenSplit]
    validation_parts: dict[str, TokenSplit] = dataclasses.field(
        default_factory=dict
    )
    mixture: Mixture | None = None
    facts: list[dict] | None = None
    lines: tuple[str, ...] = ()
    identity: tuple[tuple[str, int], ...] = ()
    loss: ResponseLoss | None = None


def read_data(config: TrainConfig, model_dir) -> TrainingData:
    """Opens the tokens of a run, and makes them where need be.

    Raises:
        ValueError: The model folder began with other tokens, the tokens are
            of another vocabulary than the model to begin with, or as
            `prepare` and `TokenSources`.
        OSError: As `prepare` and `TokenSources`.
    """
    folder = pathlib.Path(model_dir)
    if config.tokens:
        return _read_sources(config, folder)
    if (folder / SOURCES).exists():
        raise ValueError(
            f"The run in {str(folder)!r} began with --tokens: go on with it, "
            "or choose another folder. Received: none."
        )
    pairs = pair_source(config)
    learns_responses(config, pairs.settings["templates"] if pairs else ())
    return _own(config, *prepare_data(config, folder / TOKENS))


def read_shared_data(config: TrainConfig, model_dir, identity) -> TrainingData:
    """Opens the tokens that `read_data` gave on another host; writes nothing.

    Args:
        config: The same as there.
        model_dir: The model folder, where this host sees it.
        identity: Of the data there.

    Raises:
        ValueError: This host sees other tokens.
        OSError: As `TokenSources`.
    """
    if not config.tokens:
        ((sha256, _),) = identity
        return _own(
            config, *open_shared(pathlib.Path(model_dir) / TOKENS, sha256)
        )
    found = TokenSources(config.tokens, config.verify_tokens or None)
    if found.identity != tuple(map(tuple, identity)):
        raise ValueError(
            "`tokens` must be those that the chief trains on. Received: "
            f"tokens={config.tokens!r}, which are others here."
        )
    return _of_sources(config, found)


def claim_data(data: TrainingData, model_dir) -> None:
    """Writes down which tokens a run trains on, unless they are its own."""
    path = pathlib.Path(model_dir) / SOURCES
    if data.facts is not None and not path.exists():
        write_atomically(path, json.dumps(data.facts, indent=2))


def prepare_data(config: TrainConfig, directory):
    """Returns the tokenizer and the token store that a configuration names.

    A store that wasn't there gets a report beside its manifest.
    """
    pairs = pair_source(config)
    kind = {"tokenizer": config.tokenizer}
    if config.init_from:
        kind["tokenizer"] = model_source.read_tokenizer(config.init_from)
    elif config.tokenizer == "byte_pair":
        kind["vocab_size"] = config.vocab_size
    elif config.tokenizer != "character":
        kind["tokenizer"] = tokenizer_of(pathlib.Path(config.tokenizer))
    if pairs and not isinstance(kind["tokenizer"], str):
        kind["tokenizer"] = _with_tokens(
            kind["tokenizer"], pairs.special_tokens
        )
    is_new = not (pathlib.Path(directory) / MANIFEST).exists()
    with ProgressBar() as progress:
        tokenizer, store = prepare(
            pairs or _source(config),
            directory,
            split=pair_split(config) if pairs else _text_split(config),
            workers=config.workers,
            verify=config.verify_tokens or None,
            progress=progress,
            **kind,
        )
    if is_new:
        update_report(store, config.max_length, progress.pace)
    return tokenizer, store


def _read_sources(config: TrainConfig, folder: pathlib.Path) -> TrainingData:
    if (folder / TOKENS / MANIFEST).exists():
        raise ValueError(
            f"The run in {str(folder)!r} began with tokens of its own: go on "
            "without --tokens, or choose another folder. Received: "
            f"tokens={config.tokens!r}."
        )
    found = TokenSources(config.tokens, config.verify_tokens or None)
    _check_claim(folder / SOURCES, found, config)
    if config.init_from:
        tokenizer = model_source.read_tokenizer(config.init_from)
        tokenizer = _with_tokens(tokenizer, found.tokenizer.special_tokens)
        if tokenizer.fingerprint != found.tokenizer.fingerprint:
            raise ValueError(
                "The tokens must be of the vocabulary of `init_from`: prepare "
                "them with its --tokenizer. Received: fingerprints "
                f"{found.tokenizer.fingerprint} in {config.tokens!r}, "
                f"{tokenizer.fingerprint} in {config.init_from!r}."
            )
    return _of_sources(config, found)


def _with_tokens(tokenizer, names):
    """Returns a tokenizer that has some special tokens, and says so."""
    known = tokenizer.special_tokens
    if new := [name for name in names if name not in known]:
        print(
            f"added to the vocabulary: {', '.join(new)}; ids "
            f"{tokenizer.vocab_size} to "
            f"{tokenizer.vocab_size + len(new) - 1}"
        )
        tokenizer = with_special_tokens(tokenizer, new)
    return tokenizer


def _own(config: TrainConfig, tokenizer, store) -> TrainingData:
    splits = {name: store.split(name) for name in store.split_names}
    return TrainingData(
        tokenizer,
        splits,
        lines=(*_sizes(splits), *left_out_lines(store.manifest)),
        identity=((store.manifest["sha256"], 1),),
        loss=_loss(config, [store], tokenizer),
    )


def _loss(config: TrainConfig, stores, tokenizer) -> ResponseLoss | None:
    """Returns what to learn of the text of stores."""
    names = {
        tuple(store.manifest["settings"].get("templates", ()))
        for store in stores
    }
    if len(names) > 1 and config.loss_on != "all":
        raise ValueError(
            "Token stores must be of the same templates to be mixed, or "
            f"`loss_on` be all. Received: {sorted(names)}"
        )
    if learns_responses(config, names.pop()):
        return ResponseLoss.of(tokenizer)
    return None


def _of_sources(config: TrainConfig, found: TokenSources) -> TrainingData:
    splits = found.splits()
    lines = _sizes(splits)
    several = len(found.stores) > 1
    if several:
        windows = config.steps * config.batch_size
        lines += tuple(found.describe(windows, config.max_length))
    return TrainingData(
        found.tokenizer,
        splits,
        validation_parts=found.parts("validation") if several else {},
        mixture=found.mixture,
        facts=found.facts,
        lines=lines,
        identity=found.identity,
        loss=_loss(config, found.stores.values(), found.tokenizer),
    )


def _check_claim(path, found: TokenSources, config: TrainConfig) -> None:
    if not path.exists():
        return
    if identity(json.loads(path.read_bytes())) != identity(found.facts):
        raise ValueError(
            f"{str(path)!r} says that the run began with other tokens, other "
            "weights or another order of them: choose another folder, or give "
            f"them as they were. Received: tokens={config.tokens!r}."
        )


def _sizes(splits: dict[str, TokenSplit]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {split.num_tokens:,} tokens" for name, split in splits.items()
    )


def _text_split(config: TrainConfig) -> ValidationSplit:
    return ValidationSplit(
        config.validation_fraction, config.split_by, config.seed
    )


def _source(config: TrainConfig):
    if config.text:
        return sources.TextFiles(config.text, config.errors)
    if config.tfds:
        return sources.TensorFlowDataset(
            config.tfds, config.tfds_split, config.tfds_field or None
        )
    return sources.PythonReference()


def tokenizer_of(folder: pathlib.Path):
    """Reads tokenizer.json, or GPT-2's files under either pair of names."""
    if not folder.is_dir():
        raise ValueError(
            "`tokenizer` must be byte_pair, character or a folder. "
            f"Received: tokenizer={str(folder)!r}, which is none."
        )
    return read_gpt2_folder(folder) or load_tokenizer(folder)

"""Documents and a tokenizer in, a folder of token shards out."""

import collections
import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gpt_keras.data.encoder_pool import EncoderPool
from gpt_keras.data.pair_texts import PairText
from gpt_keras.data.pair_texts import encode_pairs
from gpt_keras.data.token_manifest import new_manifest
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store import check_ids
from gpt_keras.data.unfinished_store import UnfinishedStore
from gpt_keras.data.unfinished_store import shard_entry
from gpt_keras.data.work_units import UNIT_CHARACTERS
from gpt_keras.data.work_units import Unit
from gpt_keras.data.work_units import make_units

# Of the settings, what the ids of a pair depend on beside its texts.
_OF_PAIRS = ("templates", "max_tokens")
_COUNTS = ("documents", "tokens", "characters", "bytes")


def write_token_store(
    directory,
    splits: Mapping[str, Iterable[str | PairText]],
    *,
    tokenizer,
    source: dict,
    settings: dict | None = None,
    workers: int = 0,
    unit_characters: int = UNIT_CHARACTERS,
    progress: Callable[[str, dict], None] | None = None,
) -> TokenStore:
    """Encodes documents into token shards with a manifest.

    Each document is followed by `tokenizer.end_of_text_id`; one that is larger
    than a unit is encoded in pieces that are cut between words. Pairs that are
    too long are left out, and counted as `left_out`. Everything is
    written into `<directory>.partial`, which is renamed when complete:
    `directory` never holds half a store. Stopped or killed at any moment and
    called again, it writes the same bytes, without encoding again what has
    become a shard.

    Args:
        directory: The folder to make; it must be missing or empty.
        splits: Name → documents: texts, or `PairText`s. Each is iterated over
            once.
        tokenizer: An object with `vocab_size`, `end_of_text_id`,
            `fingerprint`, `encode_batch(texts)`, `save(directory)` and, for
            pairs, `special_tokens`; it is saved beside the shards.
        source: What the documents come from, for the manifest.
        settings: What else made them what they are, for the manifest.
        workers: Processes that encode; 0 or 1 encodes in this one. The bytes
            don't depend on it.
        unit_characters: About how many are one unit of work and one shard.
        progress: Called after each unit with the split's name and its counts
            so far: documents, tokens, characters, bytes, and
            `encoded_tokens`, those that weren't there before.

    Returns:
        The store.

    Raises:
        ValueError: A split has no documents, the tokenizer gives an id out
            of range, or `directory` holds something else.
        ChildProcessError: A worker ended by an error.
        OSError: The folder can't be written or the disk is full.
    """
    if unit_characters < 1 or workers < 0:
        raise ValueError(
            "`unit_characters` must be positive and `workers` at least 0. "
            f"Received: unit_characters={unit_characters}, workers={workers}."
        )
    given = settings or {}
    manifest = _header(tokenizer, source, given)
    check_free(directory)
    work = UnfinishedStore(directory)
    try:
        units = {
            "tokenizer": tokenizer.fingerprint,
            "unit_characters": unit_characters,
        } | {key: given[key] for key in _OF_PAIRS if key in given}
        journal = {"units": units, "source": source, "settings": settings}
        work.begin(tokenizer, journal)
        with _encoder(tokenizer, work.partial, workers) as encoder:
            shards = _ShardMaker(tokenizer, encoder, manifest["dtype"], work)
            for name, documents in splits.items():
                units = make_units(name, documents, unit_characters)
                made = _in_order(shards.make, units, workers)
                manifest["splits"][name] = _count(name, made, progress)
        work.complete(manifest)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and not error.filename:
            error.filename = str(work.partial)  # a full disk gives no name
        work.leave()
        raise
    return TokenStore(directory, verify=False)


def check_free(directory) -> None:
    """Raises ValueError if `directory` holds anything."""
    directory = pathlib.Path(directory)
    if directory.exists() and any(directory.iterdir()):
        raise ValueError(
            "A token store needs a folder that is missing or empty. "
            f"Received: {str(directory)!r}."
        )


def _header(tokenizer, source: dict, settings: dict) -> dict:
    vocab_size = int(tokenizer.vocab_size)
    end_of_text_id = int(tokenizer.end_of_text_id)
    check_ids(np.array(end_of_text_id), vocab_size, "`end_of_text_id`")
    return new_manifest() | {
        "dtype": "<u2" if vocab_size <= 2**16 else "<u4",
        "vocab_size": vocab_size,
        "end_of_text_id": end_of_text_id,
        "tokenizer": tokenizer.fingerprint,
        "source": source,
        "settings": settings,
        "splits": {},
    }


def _encoder(tokenizer, directory, workers: int):
    """A context that gives an object with `encode_batch`."""
    if workers > 1:
        return EncoderPool(directory, workers)
    return contextlib.nullcontext(tokenizer)


class _ShardMaker:
    """Units in, records of their shards out, in any thread."""

    def __init__(self, tokenizer, encoder, dtype: str, work: UnfinishedStore):
        self._separator = np.array([tokenizer.end_of_text_id])
        self._vocab_size = tokenizer.vocab_size
        self._special_tokens = getattr(tokenizer, "special_tokens", {})
        self._encoder, self._dtype, self._work = encoder, dtype, work

    def make(self, unit: Unit) -> dict:
        """Returns the record, with `new` and `ends` for the last document."""
        record = self._work.find(unit)
        more = {"new": record is None, "ends": unit.ends[-1]}
        return (record or self._work.add(unit, *self._encode(unit))) | more

    def _encode(self, unit: Unit) -> tuple[np.ndarray, set[int]]:
        """Returns the ids of a unit, and the places of what is left out."""
        parts, left_out = [np.zeros(0, np.int32)], set()
        encoded = zip(self._ids_of(unit), unit.ends, strict=True)
        for place, (ids, ends) in enumerate(encoded):
            if ids is None:
                left_out.add(place)
                continue
            check_ids(np.asarray(ids), self._vocab_size, "Encoded text")
            parts += [ids, self._separator] if ends else [ids]
        return np.concatenate(parts).astype(self._dtype), left_out

    def _ids_of(self, unit: Unit) -> list[np.ndarray | None]:
        pairs = [text for text in unit.texts if isinstance(text, PairText)]
        if pairs:
            return encode_pairs(self._encoder, self._special_tokens, pairs)
        return self._encoder.encode_batch(unit.texts)


def _in_order(function, items: Iterable, workers: int) -> Iterator:
    """Maps a function in threads, few items in memory, results in order."""
    if workers < 2:
        yield from map(function, items)
        return
    waiting = collections.deque()
    executor = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def _count(name: str, records: Iterable[dict], progress) -> dict:
    """Returns what the manifest says of a split."""
    counts = dict.fromkeys((*_COUNTS, "encoded_tokens"), 0)
    shards, ends, left_out = [], True, 0
    for record in records:
        for key in _COUNTS:
            counts[key] += record[key]
        left_out += record.get("left_out", 0)
        counts["encoded_tokens"] += record["new"] * record["tokens"]
        shards.append(shard_entry(record))
        ends = record["ends"]
        if progress:
            progress(name, dict(counts))
    if left_out and not counts["tokens"]:
        raise ValueError(
            "Every split must have a pair that is not too long. Received: "
            f"{left_out} pairs in {name!r}, all of them longer."
        )
    if not counts["characters"]:
        raise ValueError(
            f"Every split must have text. Received none: {name!r}."
        )
    counts["documents"] += not ends  # one that goes on in another split
    entry = {key: counts[key] for key in _COUNTS}
    if left_out:
        entry["left_out"] = left_out
    return entry | {"shards": shards}

"""Ids and merges as a user or GPT-2's files give them come in, a consistent
byte-pair vocabulary goes out, and back into files.
"""

import dataclasses
import json
import os

import numpy as np

from gpt_keras.files import write_atomically
from gpt_keras.text import special_tokens as special
from gpt_keras.text import tokenizer_file

_MERGES_HEADER = "#version: 0.2"


@dataclasses.dataclass(frozen=True)
class BytePairVocabulary:
    """Tokens in GPT-2's spelling, where each byte is a printable character.

    Args:
        ids: token → id, 0..n-1; special tokens that are missing are added.
        merges: pairs of tokens, in the order in which they are merged.
        special_tokens: names; ids that `ids` has for them are kept.

    Raises:
        ValueError: the three do not fit together.
    """

    ids: dict[str, int]
    merges: list[tuple[str, str]]
    special_tokens: list[str]

    def __post_init__(self):
        names = special.with_end_of_text(self.special_tokens)
        ids = dict(self.ids)
        for name in names:
            ids.setdefault(name, len(ids))
        merges = [tuple(pair) for pair in self.merges]
        _check_ids(ids, names)
        _check_merges(ids, merges, names)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "merges", merges)
        object.__setattr__(self, "special_tokens", names)

    def merge_ids(self) -> np.ndarray:
        """Ids of the left part, right part and result, `(merges, 3)`."""
        rows = [
            (self.ids[left], self.ids[right], self.ids[left + right])
            for left, right in self.merges
        ]
        return np.array(rows, np.int64).reshape(-1, 3)

    def byte_ids(self) -> np.ndarray:
        """The id of each byte, `(256,)`."""
        return np.array([self.ids[c] for c in BYTE_CHARACTERS], np.int64)

    def token_bytes(self) -> list[bytes]:
        """The bytes of each token by id; special tokens have none."""
        value = {c: byte for byte, c in enumerate(BYTE_CHARACTERS)}
        pieces = [b""] * len(self.ids)
        for token, token_id in self.ids.items():
            if token not in self.special_tokens:
                pieces[token_id] = bytes(value[c] for c in token)
        return pieces


def read_gpt2_files(
    vocab_file: str | os.PathLike, merges_file: str | os.PathLike
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Reads `encoder.json` and `vocab.bpe`, also named vocab.json, merges.txt.

    Returns:
        Ids and merges, as yet unchecked.

    Raises:
        ValueError: a file is broken.
    """
    ids = tokenizer_file.read_json_object(vocab_file)
    with open(merges_file, "rb") as file:
        data = file.read()
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{merges_file} is not UTF-8: {error}.") from error
    merges = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = tuple(line.split(" "))
        if len(pair) != 2 or not all(pair):
            raise ValueError(
                f"{merges_file} must have two tokens a line with one space "
                f"between them. Received at line {number}: {line!r}."
            )
        merges.append(pair)
    return ids, merges


def write_gpt2_files(
    directory: str | os.PathLike, vocabulary: BytePairVocabulary
) -> None:
    """Writes `vocab.json` and `merges.txt`; special tokens are in the first."""
    ordered = dict(sorted(vocabulary.ids.items(), key=lambda item: item[1]))
    merges = [_MERGES_HEADER, *map(" ".join, vocabulary.merges), ""]
    for name, text in (
        ("vocab.json", json.dumps(ordered, ensure_ascii=False)),
        ("merges.txt", "\n".join(merges)),
    ):
        write_atomically(os.path.join(directory, name), text)


def _byte_characters() -> str:
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (byte for byte in range(256) if byte not in printable)
    stand_in = {byte: 256 + n for n, byte in enumerate(others)}
    return "".join(chr(stand_in.get(byte, byte)) for byte in range(256))


# The character that GPT-2's files write for each byte, in the bytes' order.
BYTE_CHARACTERS = _byte_characters()


def _check_ids(ids: dict[str, int], names: list[str]) -> None:
    spelling = set(BYTE_CHARACTERS)
    for token, token_id in ids.items():
        if not isinstance(token, str) or type(token_id) is not int:
            raise ValueError(
                "The vocabulary must map tokens to integer ids. Received: "
                f"{token!r}: {token_id!r}."
            )
        if token in names:
            continue
        if not token or not spelling.issuperset(token):
            raise ValueError(
                "A token must be spelled in GPT-2's characters for bytes, "
                f"unless it is special. Received: {token!r}."
            )
    expected = set(range(len(ids)))
    if set(ids.values()) != expected:
        odd = sorted(expected.symmetric_difference(ids.values()))
        raise ValueError(
            f"The {len(ids)} tokens must have the ids 0 to {len(ids) - 1}, "
            f"each once. Missing or out of range: {odd[:10]}."
        )
    missing = [c for c in BYTE_CHARACTERS if c not in ids]
    if missing:
        raise ValueError(
            "The vocabulary must have a token for each of the 256 bytes. "
            f"Missing: {missing[:10]}."
        )


def _check_merges(ids, merges, names) -> None:
    if len(set(merges)) < len(merges):
        raise ValueError("No merge may come twice.")
    reachable = set(BYTE_CHARACTERS)
    for pair in merges:
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise ValueError(f"A merge must be two tokens. Received: {pair!r}.")
        for token in (*pair, "".join(pair)):
            if token not in ids:
                raise ValueError(
                    "A merge's parts and its result must be in the "
                    f"vocabulary. Received: {pair!r}, without {token!r}."
                )
        reachable.add("".join(pair))
    stray = sorted(ids.keys() - reachable.union(names))
    if stray:
        raise ValueError(
            "A token that is no byte must be special or the result of a "
            f"merge. Received: {stray[:10]}."
        )
    for name in names:
        if name in reachable:
            raise ValueError(
                "A special token must not be what text can give: a byte or "
                f"the result of a merge. Received: {name!r}."
            )

"""A token store in, its figures out: as JSON beside the manifest, as lines."""

import collections
import json
import pathlib

import numpy as np

from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.files import write_atomically

REPORT = "report.json"
_READ_AT_ONCE = 2**22  # tokens
_QUANTILES = (0.0, 0.1, 0.5, 0.9, 0.99, 1.0)


def make_report(store: TokenStore, length: int) -> dict:
    """Reads all tokens of a store once.

    Args:
        store: The store.
        length: Tokens in a window, for the share of padding.

    Returns:
        For each split what the manifest counts, and

        - `bytes_per_token`: of the text, separators left out;
        - `tokens_per_document`: their mean and quantiles, by `"0.5"`;
        - `padding_share`: of the positions of windows of `length`, `packed`
          as they are trained or validated on, and with `a_document_a_row`,
          each cut into windows of its own.
    """
    splits = {}
    for name in store.split_names:
        counted = store.manifest["splits"][name]
        counts = {k: v for k, v in counted.items() if k != "shards"}
        lengths = document_lengths(store.split(name))
        of_text = sum(size * count for size, count in lengths.items())
        splits[name] = counts | {
            "shards": len(counted["shards"]),
            "bytes_per_token": counts["bytes"] / max(of_text, 1),
            "tokens_per_document": _distribution(lengths),
            "padding_share": {
                "packed": _packed_padding(name, counts["tokens"], length),
                "a_document_a_row": _padding(lengths, length),
            },
        }
    source = store.manifest["source"]
    return {
        "source": source.get("kind"),
        "vocab_size": store.vocab_size,
        "window_length": length,
        "splits": splits,
    }


def update_report(
    store: TokenStore, length: int, preparing: dict | None = None
) -> dict:
    """Writes the report of a store beside its manifest; returns it.

    Args:
        store: The store.
        length: As for `make_report`.
        preparing: Tokens, seconds and tokens per second of encoding them; by
            itself what the report said before.
    """
    preparing = preparing or (read_report(store) or {}).get("preparing")
    report = make_report(store, length)
    if preparing:
        report["preparing"] = preparing
    path = pathlib.Path(store.directory) / REPORT
    write_atomically(path, json.dumps(report, indent=2) + "\n")
    return report


def read_report(store: TokenStore) -> dict | None:
    """Returns the report beside the manifest, None where there is none."""
    try:
        path = pathlib.Path(store.directory) / REPORT
        report = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def report_lines(report: dict) -> list[str]:
    """The figures to be read by people, a line each."""
    lines = []
    for name, split in report["splits"].items():
        sizes = split["tokens_per_document"]
        quantiles = ", ".join(
            f"{float(q):.0%} {sizes[q]:,}" for q in sizes if q != "mean"
        )
        padding = split["padding_share"]
        lines += [
            f"{name}: {split['documents']:,} documents, {split['tokens']:,} "
            f"tokens, {split['bytes']:,} bytes, {split['shards']:,} shards",
            f"  {split['bytes_per_token']:.3f} bytes per token",
            f"  tokens per document: mean {sizes['mean']:,.1f}; {quantiles}",
            f"  padding in windows of {report['window_length']:,}: "
            f"{padding['packed']:.2%}; with a document a row it would be "
            f"{padding['a_document_a_row']:.2%}",
        ]
    if "preparing" in report:
        preparing = report["preparing"]
        lines.append(
            f"encoded {preparing['tokens']:,} tokens in "
            f"{preparing['seconds']:,.1f} s: "
            f"{preparing['tokens_per_second']:,.0f} tokens/s"
        )
    return lines


def document_lengths(split: TokenSplit) -> collections.Counter:
    """How many documents have how many tokens, separators left out."""
    lengths, begun = collections.Counter(), 0
    for start in range(0, split.num_tokens, _READ_AT_ONCE):
        size = min(_READ_AT_ONCE, split.num_tokens - start)
        ids = split.read([start], size)[0]
        ends = np.flatnonzero(ids == split.end_of_text_id)
        found = np.diff(ends, prepend=-1) - 1
        if len(found):
            found[0] += begun
            begun = 0
        sizes, counts = np.unique(found, return_counts=True)
        lengths.update(dict(zip(sizes.tolist(), counts.tolist(), strict=True)))
        begun += size - (ends[-1] + 1 if len(ends) else 0)
    if begun:  # it goes on in another split
        lengths[int(begun)] += 1
    return lengths


def _distribution(lengths: collections.Counter) -> dict:
    sizes = np.array(sorted(lengths))
    counts = np.array([lengths[size] for size in sizes.tolist()])
    upto = np.cumsum(counts)
    places = [np.searchsorted(upto, q * upto[-1]) for q in _QUANTILES]
    return {"mean": float(sizes @ counts / upto[-1])} | {
        str(q): int(sizes[place])
        for q, place in zip(_QUANTILES, places, strict=True)
    }


def _packed_padding(split: str, num_tokens: int, length: int) -> float:
    """Windows to train on are full; the last one to validate on is filled."""
    if split == "train":
        return 0.0
    labels = max(num_tokens - 1, 1)
    return 1 - labels / (-(-labels // length) * length)


def _padding(lengths: collections.Counter, length: int) -> float:
    """Of rows that hold one document's tokens and separator, or a part."""
    rows = tokens = 0
    for size, count in lengths.items():
        rows += -(-(size + 1) // length) * count
        tokens += (size + 1) * count
    return 1 - tokens / (rows * length)

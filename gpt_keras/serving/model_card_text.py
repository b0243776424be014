"""A model card as a dictionary comes in, Markdown for people goes out."""

import json
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any


def to_markdown(card: Mapping[str, Any]) -> str:
    """Writes a card of `model_card` as Markdown.

    Args:
        card: The card.

    Returns:
        Headings, paragraphs and tables.
    """
    software = ", ".join(
        f"{name} {version or '(from its sources)'}"
        for name, version in card["software"].items()
    )
    parts = [
        f"# Model card: {_escaped(card['name'])}",
        f"Contract {card['contract']}. Exported at {card['date']} with "
        f"{software}.",
        "## Intended use",
        card["intended_use"],
        "## Limitations",
        card["limitations"],
    ]
    if card["notes"]:
        parts += ["## Notes of the deployer", card["notes"].strip()]
    parts += [
        "## Signatures",
        "The rows of the batch come first in every input and output, and no "
        "input is optional.",
        *_signatures(card["signatures"]),
    ]
    for name, (heading, text) in _SECTIONS.items():
        if card.get(name):
            parts += [f"## {heading}", text, _table(card[name])]
    return "\n\n".join(parts) + "\n"


_SECTIONS = {
    "defaults": (
        "Defaults",
        "What a signature uses for a setting that it doesn't take; of banned "
        "texts the number.",
    ),
    "tasks": (
        "Tasks",
        "What the model was trained for, the first one as `serving_default`. A "
        "signature takes the fields, and what is too long is cut in one of "
        "them. 0 beams draw tokens.",
    ),
    "limits": (
        "Limits",
        "In tokens, bytes and texts. What goes beyond is invalid, but of a "
        "prompt that doesn't fit into `max_length` the end is used. "
        "`max_strings` and `max_string_bytes` hold for `stop` and `banned`.",
    ),
    "policy": (
        "Policy",
        "What holds for every request, whatever its settings say; of banned "
        "and refused texts the number. A `repetition_guard` of 0 is off, "
        "and so is a `prompt_lookup`, which changes no text.",
    ),
    "model": ("Model", "What `GPTModel` was made with."),
    "weights": (
        "Weights",
        "Losses are in nats per token; what was not measured is left open.",
    ),
    "tokenizer": (
        "Tokenizer",
        "The fingerprint is the SHA-256 of `tokenizer.json`.",
    ),
    "training": (
        "Data and training",
        "As the model's folder has it. Losses are in nats per token.",
    ),
}


def _signatures(signatures) -> Iterator[str]:
    for name, signature in signatures.items():
        yield f"### `{name}`"
        for direction in ("inputs", "outputs"):
            yield _grid(
                (direction[:-1], "type", "shape", "meaning"),
                (
                    (
                        _code(entry["name"]),
                        entry["dtype"],
                        _shape(entry["shape"]),
                        entry["meaning"],
                    )
                    for entry in signature[direction]
                ),
            )


def _shape(sizes) -> str:
    if sizes is None:
        return "any"
    names = {0: "batch", 1: "length"}
    shown = [
        names.get(axis, "any") if size is None else f"{size:,}"
        for axis, size in enumerate(sizes)
    ]
    return f"({', '.join(shown)})"


def _table(values: Mapping[str, Any]) -> str:
    rows = ((_code(name), _shown(value)) for name, value in _flat(values))
    return _grid(("name", "value"), rows)


def _code(name: str) -> str:
    # A bar ends a cell even in code, and special tokens have some.
    name = name.replace("|", "\\|")
    return f"`{name}`"


def _flat(values, prefix="") -> Iterator[tuple[str, Any]]:
    """Yields what is nested as `outer.inner`."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _grid(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value) -> str:
    if value is None or value == {} or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        # Texts in quotes, as a stop text may be a line break.
        shown = (json.dumps(item, ensure_ascii=False) for item in value)
        return _escaped(", ".join(shown))
    return _escaped(str(value)) or "–"


def _escaped(text: str) -> str:
    """Returns a text as a cell of a table can show it."""
    text = " ".join(text.split())
    for character in "\\`*<[|":
        text = text.replace(character, "\\" + character)
    return text

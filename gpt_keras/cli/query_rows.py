"""Prompts, texts or lines of JSON come in, rows for a signature go out."""

import base64
import binascii
import json
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from gpt_keras.generation.setting_values import TEXTS
from gpt_keras.generation.setting_values import join_texts
from gpt_keras.serving.client_inputs import padded
from gpt_keras.serving.client_protocol import SignatureInfo

_WHOLE = {"steps": 0, "continuation": ""}  # a completion in one call
_JOINED = (*TEXTS, "choices")  # several texts in a row
_INPUT = "-"  # stands for standard input


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """Reads rows, one a line: a JSON object of inputs by name, or a prompt.

    Args:
        path: The file, or `-` for standard input. Bytes stand as in TF
            Serving's requests, `{"b64": "…"}`.

    Raises:
        ValueError: A line is something else.
        OSError: The file can't be read.
    """
    if path == _INPUT:
        yield from _rows(sys.stdin, "standard input")
        return
    with open(path, encoding="utf-8-sig") as file:
        yield from _rows(file, path)


def given_rows(prompts, texts) -> list[dict[str, Any]]:
    """Returns rows of what flags give.

    Raises:
        ValueError: There are prompts and texts, and not as many of them.
    """
    if prompts and texts and len(prompts) != len(texts):
        raise ValueError(
            "There must be one `text` for each `prompt`. Received: "
            f"{len(prompts)} prompts, {len(texts)} texts"
        )
    rows = [{} for _ in prompts or texts]
    for name, column in {"prompts": prompts, "texts": texts}.items():
        for row, value in zip(rows, column, strict=bool(column)):
            row[name] = value
    return rows


def given_fields(pairs) -> dict[str, str | list[str]]:
    """Returns the fields of a task that flags give as NAME=TEXT.

    Raises:
        ValueError: One is something else.
    """
    found = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"`field` must be NAME=TEXT. Received: {pair!r}")
        found.setdefault(name, []).append(text)
    return {name: x[0] if len(x) == 1 else x for name, x in found.items()}


def columns(
    rows, info: SignatureInfo, settings: Mapping[str, Any]
) -> dict[str, list]:
    """Returns the inputs of a signature.

    Args:
        rows: By name, what each row says.
        info: What the signature takes.
        settings: What a row has where it says nothing.

    Raises:
        ValueError: A row lacks an input, or has one that isn't any.
    """
    defaults = _WHOLE | {
        name: join_texts(name, value) if name in TEXTS else value
        for name, value in settings.items()
    }
    for number, row in enumerate(rows, 1):
        _check(number, row, info, defaults)
    found = {
        name: [_value(name, row, defaults) for row in rows]
        for name in info.inputs
        if name != "lengths"
    }
    if "lengths" in info.inputs:
        found |= padded(found["token_ids"])
    return found


def as_rows(outputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Gives each row of a signature's outputs, bytes in base64."""
    lists = {
        name: column if isinstance(column, list) else column.tolist()
        for name, column in outputs.items()
    }
    for values in zip(*lists.values(), strict=True):
        yield dict(zip(lists, map(_shown, values), strict=True))


def _rows(file, where):
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            row = {"prompts": row} if isinstance(row, str) else row
            if not isinstance(row, dict):
                raise ValueError
            yield {name: _bytes(value) for name, value in row.items()}
        except ValueError:
            raise ValueError(
                f"{where}:{number} must be a JSON text or an object of inputs "
                f"by name. Received: {line.strip()[:80]!r}"
            ) from None


def _bytes(value):
    if not isinstance(value, dict):
        return value
    if value.keys() != {"b64"} or not isinstance(value["b64"], str):
        raise ValueError
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error:
        raise ValueError from None


def _check(number, row, info, defaults):
    needed = info.inputs.keys() - {"lengths"}
    if unknown := sorted(row.keys() - needed):
        raise ValueError(
            f"Row {number} must have inputs of {sorted(needed)}. Received: "
            f"{unknown}"
        )
    if missing := sorted(needed - row.keys() - defaults.keys()):
        raise ValueError(
            f"Row {number} must have {missing}. Received: {sorted(row)}"
        )


def _value(name, row, defaults):
    if name not in row:
        return defaults[name]
    value = row[name]
    if name in _JOINED and not isinstance(value, str | bytes):
        return join_texts(name, value)
    return value


def _shown(value):
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value

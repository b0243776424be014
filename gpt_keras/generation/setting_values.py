"""Settings by name come in, one value for each row goes out, as Python has it.

What they may be is judged where the model is: `generation.settings`. Nothing
here needs TensorFlow, so that a client can be light.
"""

import numbers
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SEPARATOR = "\x1f"  # between the strings of `stop` and of `banned`

DEFAULTS = {
    "max_new_tokens": 100,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "no_repeat_ngram": 0,
    "seed": 0,
    "stop": "",
    "banned": "",
    "overflow": "stop",
}
# Vaswani et al. 2017, §6.1
BEAM_DEFAULTS = {"num_beams": 4, "length_penalty": 0.6}
TEXTS = ("stop", "banned")  # settings of several texts in a row


def check_names(
    names: Iterable[str], known: Iterable[str] = tuple(DEFAULTS)
) -> None:
    """Raises ValueError if one of the names is no setting's."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"A setting must be one of {list(known)}. Received: {unknown}"
        )


def setting_rows(
    batch_size: int,
    values: Mapping[str, Any],
    defaults: Mapping[str, Any] = MappingProxyType(DEFAULTS),
) -> dict[str, list]:
    """Spreads settings over the rows of a batch.

    Args:
        batch_size: The number of rows.
        values: As for `generation.settings.make_settings`.
        defaults: By the name of every setting that there is, its default.

    Returns:
        By the name of every setting, a list of `batch_size` integers, floats
        or texts; what is not given has its default.

    Raises:
        ValueError: A setting is unknown, is of another type, or has another
            number of values than there are rows.

    Example:

    >>> setting_rows(2, {"temperature": [0, 0.8]})["temperature"]
    [0.0, 0.8]
    """
    check_names(values, tuple(defaults))
    return {
        name: _rows(name, values.get(name, default), batch_size, type(default))
        for name, default in defaults.items()
    }


def join_texts(name: str, texts):
    """Joins what the user gave as texts, for all rows or for each."""
    if isinstance(texts, str):
        return join_texts(name, [texts])
    if not isinstance(texts, Iterable):
        raise ValueError(f"`{name}` must be texts. Received: {name}={texts!r}")
    if any(not isinstance(text, str) for text in texts):
        return [join_texts(name, row) for row in texts]
    if any(SEPARATOR in text for text in texts):
        raise ValueError(
            f"`{name}` must be texts without U+001F. Received: "
            f"{name}={list(texts)!r}"
        )
    return SEPARATOR.join(texts)


def choice_rows(batch_size: int, choices) -> list[str]:
    """Joins the choices of each row of a batch.

    Args:
        batch_size: The number of rows.
        choices: A sequence of texts for all rows, or one for each row.

    Returns:
        As many texts as rows.

    Raises:
        ValueError: They are no such texts, hold U+001F, or are not as many
            sequences as there are rows.
    """
    if isinstance(choices, str):
        raise ValueError(
            "`choices` must be several texts, or several for each prompt. "
            f"Received: {choices!r:.80}"
        )
    joined = join_texts("choices", choices)
    rows = [joined] * batch_size if isinstance(joined, str) else joined
    if len(rows) != batch_size or not all(isinstance(x, str) for x in rows):
        raise ValueError(
            "`choices` must be texts for all prompts, or for each of the "
            f"{batch_size} prompts. Received: {choices!r:.80}"
        )
    return rows


def field_rows(
    names: Iterable[str], fields: Mapping[str, Any], turns: bool
) -> tuple[dict[str, list[str]], bool]:
    """Spreads the fields of a task over the rows of a batch.

    Args:
        names: Of the fields that the task has.
        fields: By name, one text or a sequence of them. With `turns` a text,
            or a list of texts, is one conversation, and a list of lists are
            several.
        turns: Whether the field holds conversations.

    Returns:
        By name, a text for each row, the messages of a conversation joined by
        `SEPARATOR`; and whether it was one row alone.

    Raises:
        ValueError: A field is missing or unknown, no text, or the fields have
            different numbers of rows.
    """
    names = list(names)
    if {*fields} != {*names}:
        raise ValueError(
            f"The fields must be {names}. Received: {sorted(fields)}"
        )
    if turns:
        fields = {name: _conversations(name, x) for name, x in fields.items()}
    is_one = all(isinstance(fields[name], str) for name in names)
    columns = {
        name: [fields[name]]
        if isinstance(fields[name], str)
        else list(fields[name])
        for name in names
    }
    for name, texts in columns.items():
        for text in texts:
            if not isinstance(text, str):
                raise ValueError(
                    f"`{name}` must be one text or several. Received: "
                    f"{type(text).__name__} {text!r:.80}"
                )
    counts = {name: len(texts) for name, texts in columns.items()}
    if len({*counts.values()}) > 1:
        raise ValueError(
            f"The fields must have as many texts each. Received: {counts}"
        )
    return columns, is_one


def signature_name(task: str) -> str:
    """Returns what the signature of a task is called.

    Args:
        task: Its name, such as `translate` or `translate:zh-en`.
    """
    return task.replace(":", "_").replace("-", "_")


def _conversations(name, given):
    if isinstance(given, str):
        given = [given]
    given = list(given)
    if all(isinstance(one, str) for one in given):
        return _conversation(name, given)
    return [_conversation(name, one) for one in given]


def _conversation(name, messages) -> str:
    messages = [messages] if isinstance(messages, str) else list(messages)
    if len(messages) % 2 == 0:
        raise ValueError(
            f"`{name}` must be of the user and of the model in turn, the "
            f"user's first and last. Received: {len(messages)} messages"
        )
    return join_texts(name, messages)


_KINDS = {
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
}


def _rows(name, value, batch_size, kind) -> list:
    if name in TEXTS:
        value = join_texts(name, value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        value = [value] * batch_size
    rows = list(value)
    if len(rows) != batch_size:
        raise ValueError(
            f"`{name}` must be one value, or one for each of the {batch_size} "
            f"prompts. Received: {len(rows)} values"
        )
    return [_plain(name, row, kind) for row in rows]


def _plain(name, value, kind):
    """Returns a value as the type of the setting's default."""
    accepted, words = _KINDS[kind]
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ValueError(
            f"`{name}` must be {words}. Received: {name}={value!r}"
        )
    return kind(value)

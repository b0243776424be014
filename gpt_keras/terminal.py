"""A stream and a text in, the text in colour out where there are colours."""

import os

_CODES = {"bold": 1, "red": 31}


def is_terminal(stream) -> bool:
    """Returns whether somebody looks at what is written to a stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no file, or one that is closed
        return False


def has_colours(stream) -> bool:
    """Returns whether a stream may get colours.

    It is a terminal that can show them, and `NO_COLOR` isn't set.

    Reference:
        https://no-color.org
    """
    return (
        is_terminal(stream)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def styled(text: str, style: str, stream) -> str:
    """Returns a text as a stream should get it.

    Args:
        text: What to show.
        style: `"bold"` or `"red"`.
        stream: Where it goes.
    """
    if not has_colours(stream):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"

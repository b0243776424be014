"""Text with a JSON object a line in, objects with checked fields out."""

import json
from collections.abc import Iterator


class JsonLine:
    """One object, which can say where it stands.

    Args:
        content: The object.
        where: What to call its line in an error.
    """

    def __init__(self, content: dict, where: str):
        self.where = where
        self._content = content

    def text(self, name: str) -> str:
        """Returns a field that must be a string.

        Raises:
            ValueError: It is missing, or not a string that UTF-8 can express.
        """
        return self._checked_text(name, self._field(name))

    def texts(self, name: str) -> list[str]:
        """Returns a field that must be a list of two strings or more.

        Raises:
            ValueError: It is missing, or something else.
        """
        values = self._field(name)
        if not isinstance(values, list) or len(values) < 2:
            raise self._wrong(name, "a list of two strings or more", values)
        return [
            self._checked_text(f"{name}[{index}]", value)
            for index, value in enumerate(values)
        ]

    def index(self, name: str, count: int) -> int:
        """Returns a field that must be an integer from 0 to `count` - 1.

        Raises:
            ValueError: It is missing, or something else.
        """
        value = self._field(name)
        if type(value) is not int or not 0 <= value < count:
            raise self._wrong(name, f"an integer from 0 to {count - 1}", value)
        return value

    def _field(self, name: str):
        if name not in self._content:
            raise ValueError(
                f"{self.where}: the field `{name}` is missing. Received: "
                f"{sorted(self._content)[:10]}"
            )
        return self._content[name]

    def _checked_text(self, name: str, value) -> str:
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            rule = "free of lone surrogates"
            raise self._wrong(name, rule, value) from None
        return value

    def _wrong(self, name: str, rule: str, value) -> ValueError:
        return ValueError(
            f"{self.where}: `{name}` must be {rule}. Received: "
            f"{ascii(value)[:60]}"
        )


def json_lines(text: str, where: str) -> Iterator[JsonLine]:
    """Reads the objects of a text; lines without anything are passed over.

    Args:
        text: One JSON object a line.
        where: The file's name, for errors.

    Raises:
        ValueError: A line is no JSON, or no object.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{place} must be JSON. Received: {error}"
            ) from None
        if not isinstance(content, dict):
            raise ValueError(
                f"{place} must be a JSON object. Received: "
                f"{type(content).__name__}"
            )
        yield JsonLine(content, place)

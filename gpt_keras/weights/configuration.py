"""A JSON file of settings in, checked values out."""

import json
import math
import pathlib


class Configuration:
    """Gives the fields of a JSON file that another project wrote.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not a JSON object.
    """

    def __init__(self, path):
        self._path = pathlib.Path(path)
        if not self._path.exists():
            raise FileNotFoundError(
                f"{str(self._path.parent)!r} must have {self._path.name}."
            )
        try:
            self._fields = json.loads(self._path.read_bytes())
            if not isinstance(self._fields, dict):
                raise ValueError(type(self._fields).__name__)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{str(self._path)!r} must be a JSON object. Received: {error}"
            ) from error

    def choice(self, field: str, allowed: tuple, default=None):
        """Returns a field that has one of some values."""
        value = self._get(field, default)
        known = any(type(x) is type(value) and x == value for x in allowed)
        rule = " or ".join(map(repr, allowed))
        return self._checked(field, value, known, rule)

    def positive(self, field: str, default: int | None = None) -> int:
        """Returns a field that is a positive integer."""
        value = self._get(field, default)
        holds = type(value) is int and value > 0
        return self._checked(field, value, holds, "a positive integer")

    def divisor(self, field: str, of: int) -> int:
        """Returns a field that divides a number."""
        value = self.positive(field)
        return self._checked(field, value, of % value == 0, f"divisor of {of}")

    def number(self, field: str, default: float) -> float:
        """Returns a field that is a finite number, not negative."""
        value = self._get(field, default)
        real = type(value) in (int, float) and math.isfinite(value)
        holds = real and value >= 0
        return float(self._checked(field, value, holds, "a number from 0 on"))

    def mapping(self, field: str) -> dict[str, str]:
        """Returns a field that maps strings to strings."""
        value = self._get(field, None)
        holds = isinstance(value, dict) and all(
            isinstance(x, str) for x in value.values()
        )
        return self._checked(field, value, holds, "names by names")

    def _get(self, field, default):
        value = self._fields.get(field)
        return default if value is None else value

    def _checked(self, field, value, holds, rule):
        if not holds:
            raise ValueError(
                f"`{field}` in {str(self._path)!r} must be {rule}. Received: "
                f"{field}={value!r}"
            )
        return value

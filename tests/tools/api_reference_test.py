"""Tests of the API reference: it is what the docstrings say today."""

import pytest

from tools import api_reference
from tools.api_reference import api_page

FILE = '''
"""A module."""


class Thing:
    """A thing.

    More of it.

    Args:
        size: In tokens,
            at most: ten.
        name: Any.

    Attributes:
        kind: `"a"`.

    Raises:
        ValueError: It breaks a rule.

    Example:

    >>> Thing(3)
    """

    def __init__(self, size: int, *, name: str = "x, y"):
        self.kind = "a"

    @property
    def half(self) -> int:
        """Half of it."""

    def grown(self, by=1) -> "Thing":
        """Returns a larger one.

        Returns:
            It.
        """

    def _hidden(self):
        """Not shown."""


def bare():
    pass
'''
EXPECTED = """\
### Thing

[`gpt_keras.part.file`](../gpt_keras/part/file.py)

    Thing(size: int, *, name: str='x, y')

A thing.

More of it.

**Args**

- `size`: In tokens,
  at most: ten.
- `name`: Any.

**Attributes**

- `kind`: `"a"`.

**Raises**

- `ValueError`: It breaks a rule.

**Example**

    >>> Thing(3)

#### Thing.half

Half of it.

#### Thing.grown

    grown(by=1) -> 'Thing'

Returns a larger one.

**Returns** It.
"""


@pytest.fixture(name="root")
def _root(tmp_path, monkeypatch):
    def with_names(*names):
        sections = {"One": {"part.file": list(names)}}
        monkeypatch.setattr(api_reference, "SECTIONS", sections)
        return tmp_path

    (tmp_path / "gpt_keras/part").mkdir(parents=True)
    (tmp_path / "gpt_keras/part/file.py").write_text(FILE)
    return with_names


def test_the_page_is_up_to_date():
    page = (api_reference.ROOT / api_reference.PAGE).read_text("utf-8")
    assert page == api_page(), "python -m tools.api_reference"


def test_docstrings_become_markdown(root):
    assert api_page(root("Thing")).endswith("## One\n\n" + EXPECTED)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "gpt_keras.part.file must have gone"),
        ("bare", "bare must have a docstring"),
    ],
)
def test_what_is_missing_is_named(root, name, message):
    with pytest.raises(ValueError, match=message):
        api_page(root(name))

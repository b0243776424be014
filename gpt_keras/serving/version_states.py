"""What is known of a version from its folder to its end."""

import enum
from typing import Any
from typing import NamedTuple

from gpt_keras.serving.serving_errors import Code


class State(enum.IntEnum):
    """Of a version, with the numbers of `ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """What is known of a version.

    Attributes:
        version: Its number.
        state: Where it is in its life.
        code: OK, or why it can't be loaded.
        message: The same in words.
    """

    version: int
    state: State
    code: Code
    message: str


class Version:
    """A version in the course of its life.

    Args:
        name: Of the model.
        number: Of the version.
        path: Its folder.

    Attributes:
        state: Where it is.
        code: OK, or why it can't be loaded.
        message: The same in words.
        servable: The loaded model.
        num_uses: The requests that use it.
        num_failures: How often it could not be loaded.
        retry_at: When it is tried again, by `time.monotonic`.
    """

    def __init__(self, name: str, number: int, path: str):
        self.name = name
        self.number = number
        self.path = path
        self.state = State.START
        self.code = Code.OK
        self.message = ""
        self.servable: Any = None
        self.num_uses = 0
        self.num_failures = 0
        self.retry_at = 0.0

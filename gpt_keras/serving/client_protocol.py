"""What the two transports of the client have in common: what they say."""

from typing import NamedTuple


class ModelSpec(NamedTuple):
    """Which model a request is for; without version and label, the newest.

    Attributes:
        name: The model's name on the server.
        version: A version's number, or None.
        label: A version's label, or None.
    """

    name: str
    version: int | None = None
    label: str | None = None


class TensorInfo(NamedTuple):
    """An input or output of a signature.

    Attributes:
        dtype: As NumPy names it, `"int32"`; `"string"` for text and bytes.
        shape: With -1 for what is open; None if even the number of dimensions
            is.
    """

    dtype: str
    shape: tuple[int, ...] | None


class SignatureInfo(NamedTuple):
    """The inputs and outputs of a signature by their names."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class ModelMetadata(NamedTuple):
    """What a server says of a model.

    Attributes:
        version: The number of the version that answered.
        signatures: Its signatures by their names.
    """

    version: int
    signatures: dict[str, SignatureInfo]


class VersionStatus(NamedTuple):
    """A version of a model on the server.

    Attributes:
        version: Its number.
        state: `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`.
        error_code: `"OK"`, or why it could not be loaded.
        error_message: In words.
    """

    version: int
    state: str
    error_code: str
    error_message: str

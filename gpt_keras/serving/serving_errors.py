"""A code and words in, the error that REST and gRPC clients get out."""

import contextlib
import enum

import tensorflow as tf


class Code(enum.IntEnum):
    """Status codes, with the numbers that gRPC and TensorFlow share."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


# As in TF Serving's model_servers/http_server.cc; 500 for the others.
HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


_MAX_LENGTH = 2000  # characters of a message, which may quote a request


class ServingError(Exception):
    """What a client is told.

    Args:
        code: The status.
        message: What is wrong, in words.
        http_status: Where REST has a code of its own for it.
    """

    def __init__(self, code: Code, message: str, http_status: int = 0):
        if len(message) > _MAX_LENGTH:
            message = f"{message[:_MAX_LENGTH]}…"
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or HTTP_STATUS.get(code, 500)


def invalid(message: str) -> ServingError:
    """Returns the error of a request that breaks a rule."""
    return ServingError(Code.INVALID_ARGUMENT, message)


@contextlib.contextmanager
def as_serving_errors():
    """Inside, TensorFlow's errors become `ServingError`s.

    Raises:
        ServingError: For an `OpError` with its code, for anything else that
            is no `ServingError` with `INTERNAL`.
    """
    try:
        yield
    except ServingError:
        raise
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from error
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise ServingError(Code.INTERNAL, message) from error

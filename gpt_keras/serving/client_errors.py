"""What a server or the way to it answered comes in, a typed error goes out."""


class CallError(OSError):
    """A request that was not answered.

    Attributes:
        code: The name of the code that gRPC has for it, such as
            `"INVALID_ARGUMENT"`, by REST too.
        message: The server's words.
        retry_after: Seconds after which the server says to come back, or
            None.
    """

    def __init__(self, code: str, message: str, retry_after=None):
        super().__init__(f"{code}: {' '.join(message.split())}")
        self.code = code
        self.message = message
        self.retry_after = retry_after


class InvalidRequestError(CallError):
    """The request breaks a rule; the same one fails again."""


class NotFoundError(CallError):
    """The server has no such model, version, label or signature."""


class OverloadedError(CallError):
    """The server has too much to do."""


class UnavailableError(CallError):
    """No server, or one that can't answer now."""


class DeadlineError(CallError):
    """The time that the call had is over."""


_CLASSES = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "FAILED_PRECONDITION": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "NOT_FOUND": NotFoundError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineError,
}


def call_error(code: str, message: str, retry_after=None) -> CallError:
    """Returns the error of the class that fits the code."""
    return _CLASSES.get(code, CallError)(code, message, retry_after)

"""A served model as flags, and the client that asks it."""

from absl import flags

from gpt_keras.serving.client import TIMEOUT
from gpt_keras.serving.client import TOKENS_PER_CALL
from gpt_keras.serving.client import Client
from gpt_keras.serving.client_retries import Retries


def define_flags(values, default_server: str | None) -> None:
    """Defines the flags of the server, the model and the calls."""
    flags.DEFINE_string(
        "server",
        default_server,
        "The server: http://HOST:PORT for REST, HOST:PORT for gRPC.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "model_name", None, "The model's name there.", flag_values=values
    )
    flags.DEFINE_integer(
        "version", None, "Of the model; the newest.", flag_values=values
    )
    flags.DEFINE_string(
        "label",
        None,
        "Label of the version, such as `stable`.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "timeout", TIMEOUT, "Seconds that a call has.", flag_values=values
    )
    flags.DEFINE_integer(
        "retries",
        Retries.times,
        "How often a call is tried again.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "tokens_per_call",
        TOKENS_PER_CALL,
        "Tokens between two pieces of a text that is streamed.",
        flag_values=values,
    )


def make_client(values) -> Client:
    """Returns the client of the flags.

    Raises:
        ValueError: A flag breaks its rule.
    """
    if not values.model_name:
        raise ValueError(
            "`model_name` must name the model on the server. Received: "
            f"model_name={values.model_name!r}"
        )
    return Client(
        values.server,
        values.model_name,
        version=values.version,
        label=values.label,
        timeout=values.timeout,
        retries=Retries(values.retries),
    )

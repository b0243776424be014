"""Talks to a model, on a server or in a folder.

    python -m tools.chat --model_dir=runs/mine
    python -m tools.chat --server=http://localhost:8501 --model_name=mine

A model that was trained on conversations gets them as its template has them;
on a server with the settings of its export. A base model, and any with a flag
that says how to write turns down, goes on with a text: it answers as well as
its texts had people answer each other.

Ctrl-C breaks off an answer, Ctrl-D leaves.
"""

import sys

from absl import flags

from gpt_keras.cli import client_flags
from gpt_keras.cli import program
from gpt_keras.cli import sampling
from gpt_keras.cli.chat_session import ChatSession
from gpt_keras.cli.chat_sources import LocalModel
from gpt_keras.cli.chat_sources import ServedChat
from gpt_keras.cli.chat_sources import ServedModel
from gpt_keras.cli.conversation import Template
from gpt_keras.serving.client_errors import CallError

_PROMPT = "> "
_MEANINGS = {
    "preamble": "Text before all turns.",
    "user_prefix": "Stands before what you say, and ends an answer.",
    "model_prefix": "Stands before what the model says.",
    "turn_end": "Stands after both.",
}


def define_flags(values):
    """Defines the program's flags."""
    client_flags.define_flags(values, None)
    flags.DEFINE_string(
        "model_dir",
        None,
        "Instead of a server, the folder of a model, as for tools.generate.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "best",
        False,
        "With `model_dir`: the weights of the lowest validation loss.",
        flag_values=values,
    )
    _define_template(values)
    sampling.define_flags(values)
    values.set_default("overflow", "roll")  # an answer goes on in a full model


def _define_template(values):
    for name, meaning in _MEANINGS.items():
        default = getattr(Template, name)
        flags.DEFINE_string(name, default, meaning, flag_values=values)


def main(values):
    """Reads lines until there are no more, and prints the answers.

    Returns:
        1 if an answer failed and nobody was there to see it, else 0.
    """
    template = Template(
        preamble=values.preamble,
        user_prefix=values.user_prefix,
        model_prefix=values.model_prefix,
        turn_end=values.turn_end,
    )
    settings = sampling.settings(values)
    source = _source(values)
    trained = _trained_source(source, values, settings)
    if trained is None:
        settings["stop"] = [*template.stops(), *settings["stop"]]
    is_terminal = sys.stdin.isatty()
    session = ChatSession(
        trained or source, None if trained else template, settings
    )
    if is_terminal:
        print("/help lists the commands.", file=sys.stderr)
    while not session.is_over:
        try:
            line = input(_PROMPT if is_terminal else "")
        except EOFError:
            break
        except KeyboardInterrupt:
            print(file=sys.stderr)
            continue
        session.take(line)
    return 1 if session.has_failed and not is_terminal else 0


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _trained_source(source, values, settings):
    """Returns the source of a model that was trained on conversations.

    None where it wasn't, or where the flags say how to write them down.
    """
    if any(values[name].present for name in _MEANINGS):
        return None
    if isinstance(source, LocalModel):
        return source.chat()
    if any(values[name].present for name in settings):
        return None  # what an export has in its graph takes none
    client = client_flags.make_client(values)
    try:
        if "chat" in client.metadata().signatures:
            return ServedChat(client, settings)
    except CallError:
        pass  # each answer will tell
    client.close()
    return None


def _source(values):
    if (values.server is None) == (values.model_dir is None):
        raise ValueError(
            "The model must be on a `server` or in a `model_dir`. Received: "
            f"server={values.server!r}, model_dir={values.model_dir!r}"
        )
    if values.model_dir is not None:
        return LocalModel(values.model_dir, values.best)
    if values.best:
        raise ValueError("`best` needs `model_dir`. Received: a server")
    return ServedModel(client_flags.make_client(values), values.tokens_per_call)

"""A line that the user typed comes in, the model's answer is printed."""

import sys
from typing import Any

from gpt_keras.cli.conversation import Conversation
from gpt_keras.cli.conversation import Template
from gpt_keras.cli.conversation import Turns
from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.generation.setting_values import TEXTS
from gpt_keras.generation.setting_values import setting_rows

HELP = """\
/reset           forget what was said
/seed N          draw by this seed; -1 draws one for each answer
/set NAME VALUE  change a setting; /set alone shows all
/help            this
/quit            leave; so does Ctrl-D
//…              say something that begins with a slash
Ctrl-C breaks off an answer."""


class ChatSession:
    """A conversation with a model.

    Args:
        source: Has `answer`, see `gpt_keras.cli.chat_sources`.
        template: How the conversation is written down; None where the model
            has a template of its own, and the source takes messages.
        settings: Of the answers, by name.

    Attributes:
        is_over: Whether the user has left.
        has_failed: Whether an answer failed.
    """

    def __init__(self, source, template: Template | None, settings):
        self._source = source
        self._conversation = Conversation(template) if template else Turns()
        self._settings = dict(settings)
        setting_rows(1, self._settings)
        self._stops = template.stops() if template else []
        self.is_over = False
        self.has_failed = False

    def take(self, line: str) -> None:
        """Answers a line, or does what it says after a slash."""
        if not line.startswith("/") or line.startswith("//"):
            if line.strip():
                self._answer(line[1:] if line.startswith("//") else line)
            return
        name, _, rest = line[1:].strip().partition(" ")
        commands = {
            "reset": self._reset,
            "seed": lambda rest: self._set(f"seed {rest}"),
            "set": self._set,
            "help": lambda rest: _say(HELP),
            "quit": self._leave,
        }
        if name not in commands:
            _say(f"no such command: /{name}\n{HELP}")
            return
        try:
            commands[name](rest.strip())
        except ValueError as error:
            _say(f"error: {error}")

    def _answer(self, line):
        said = []
        try:
            for piece in self._pieces(line):
                # A prefix without a space lets the answer begin with one.
                shown = piece if "".join(said).strip() else piece.lstrip()
                said.append(piece)
                print(shown, end="", flush=True)
        except KeyboardInterrupt:
            print(" …", end="")
        except (ValueError, OSError) as error:
            print(flush=True)
            _say(f"error: {error}")
            self.has_failed = True
            return
        print(flush=True)
        self._conversation.add(line, "".join(said))

    def _pieces(self, line):
        """Returns the answer's pieces, oldest turns dropped until all fits."""
        dropped = 0
        while True:
            prompt = self._conversation.prompt(line)
            is_cut, pieces = self._source.answer(prompt, self._settings)
            if not is_cut or not self._conversation:
                break
            self._conversation.drop_oldest()
            dropped += 1
        if dropped:
            _say(f"(the model is full: the oldest {dropped} turns are dropped)")
        if is_cut:
            _say("(only the end of this fits into the model)")
        return pieces

    def _reset(self, rest):
        self._conversation.clear()

    def _set(self, rest):
        if not rest:
            for name, value in self._settings.items():
                _say(f"{name} {value!r}")
            return
        name, _, text = rest.partition(" ")
        if name not in DEFAULTS:
            raise ValueError(
                f"a setting must be one of {list(DEFAULTS)}. Received: {name!r}"
            )
        kind: Any = type(DEFAULTS[name])
        value = kind(text)
        if name in TEXTS:
            value = [text] if text else []
        if name == "stop":
            value = [*self._stops, *value]
        setting_rows(1, {name: value})
        self._settings[name] = value

    def _leave(self, rest):
        self.is_over = True


def _say(text: str) -> None:
    """Prints what the model did not say."""
    print(text, file=sys.stderr, flush=True)

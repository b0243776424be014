"""What two say comes in, the prompt that a model goes on from goes out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """How a conversation is written down.

    Attributes:
        preamble: What stands before all turns.
        user_prefix: Before what the user says.
        model_prefix: Before what the model says. No space at its end: most
            vocabularies have it in front of a word.
        turn_end: After each.
    """

    preamble: str = ""
    user_prefix: str = "User: "
    model_prefix: str = "Model:"
    turn_end: str = "\n"

    def stops(self) -> list[str]:
        """Returns the texts that end what the model says."""
        prefixes = (self.user_prefix, self.model_prefix)
        ends = (self.turn_end + prefix.rstrip() for prefix in prefixes)
        return [end for end in dict.fromkeys(ends) if end]


class Conversation:
    """Turns of a user and a model, the oldest first.

    Args:
        template: How they are written down.
    """

    def __init__(self, template: Template):
        self._template = template
        self._turns = []

    def __len__(self) -> int:
        return len(self._turns)

    def prompt(self, text: str) -> str:
        """Returns the conversation with what the user says next."""
        template = self._template
        parts = [template.preamble]
        for user, model in self._turns:
            parts += [self._asked(user), model, template.turn_end]
        return "".join([*parts, self._asked(text)])

    def add(self, user: str, model: str) -> None:
        """Keeps what both have said."""
        self._turns.append((user, model))

    def drop_oldest(self) -> None:
        """Forgets the oldest turn."""
        del self._turns[0]

    def clear(self) -> None:
        """Forgets all turns."""
        self._turns.clear()

    def _asked(self, user):
        template = self._template
        return (
            template.user_prefix
            + user
            + template.turn_end
            + template.model_prefix
        )


class Turns:
    """As `Conversation`, for a model that was trained on conversations: its
    template writes them down.
    """

    def __init__(self):
        self._messages = []

    def __len__(self) -> int:
        return len(self._messages) // 2

    def prompt(self, text: str) -> list[str]:
        """Returns what was said, and what the user says next."""
        return [*self._messages, text]

    def add(self, user: str, model: str) -> None:
        """Keeps what both have said."""
        self._messages += [user, model]

    def drop_oldest(self) -> None:
        """Forgets the oldest turn."""
        del self._messages[:2]

    def clear(self) -> None:
        """Forgets all turns."""
        self._messages.clear()

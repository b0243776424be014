"""A record and a template in, the fields of a prompt and its responses out.

The tables say which column is which field: of the first name that a record
has. They name the columns of the TensorFlow datasets that fit, beside plain
ones: WMT has a column a language, SQuAD `context`, `question` and `answers`,
CNN/DailyMail `article` and `highlights`, XSum `document` and `summary`.
"""

import dataclasses

from gpt_keras.data.pair_records import Record
from gpt_keras.text.template import Template

_FIELDS = {
    "prompt": ("prompt", "instruction"),
    "context": ("context", "passage"),
    "question": ("question",),
    "document": ("document", "article", "abstract", "source", "text"),
    "messages": ("messages", "conversation"),
}
_RESPONSES = {
    "write": ("text", "paragraphs", "response"),
    "pair": ("response", "completion", "output"),
    "answer": ("answers", "answer", "response"),
    "summarise": ("summary", "highlights", "target", "title", "response"),
}
# Of what an instruction is about.
_INPUTS = ("input", "context")
# Lists of lines; other lists in a prompt are sentences, with spaces between.
_LINES = ("paragraphs", "text")
_MODEL, _USER, _SYSTEM = "model", "user", "system"
_ROLES = {
    "assistant": _MODEL,
    "model": _MODEL,
    "user": _USER,
    "system": _SYSTEM,
}


@dataclasses.dataclass(frozen=True)
class Example:
    """A prompt's fields and the responses that are right.

    Attributes:
        where: What to call its place in an error.
        template: Of the prompt.
        fields: As for `Template.fill`.
        references: One or more; the first is the one to train on.
    """

    where: str
    template: Template
    fields: dict[str, str | tuple[str, ...]]
    references: tuple[str, ...]

    @property
    def response(self) -> str:
        """The response to train on."""
        return self.references[0]


def make_example(record: Record, template: Template) -> Example:
    """Finds a template's fields and the responses in a record.

    - `messages` is a list of `{"role": …, "content": …}`, of `user` and
      `assistant` (or `model`) in turn; a `system` message may come first, and
      is put before the first message of the user, with an empty line between.
      The last message is the response.
    - An `instruction` is followed by its `input` or `context`, if there is one,
      with an empty line between.
    - Of a list of answers or summaries each is a reference. No answer, as for
      a question of SQuAD 2 without one, is an empty response.

    Raises:
        ValueError: A column is missing, or its value is no text or empty; the
            message names the place.
    """
    if template.turns:
        return _conversation(record, template)
    fields: dict[str, str | tuple[str, ...]] = {}
    for name in template.fields:
        names = _names(template, name)
        if template.name == "write":
            fields[name] = ""  # all of the text is the response
            continue
        found = _column(record, names)
        text = _text(record, found)
        if found == "instruction":
            text += _input(record)
        fields[name] = text
    found = _column(record, _response_names(template))
    return Example(
        record.where, template, fields, _references(record, template, found)
    )


def _languages(template: Template) -> tuple[str, str]:
    source, target = template.name.removeprefix("translate:").split("-")
    return source, target


def _names(template: Template, field: str) -> tuple[str, ...]:
    if template.name.startswith("translate:"):
        return (_languages(template)[0], field)
    return _FIELDS[field]


def _response_names(template: Template) -> tuple[str, ...]:
    if template.name.startswith("translate:"):
        return (_languages(template)[1], "target", "response")
    return _RESPONSES[template.name]


def _column(record: Record, names) -> str:
    found = next((name for name in names if name in record.values), None)
    if found is None:
        raise ValueError(
            f"{record.where} must have a column {' or '.join(names)}. "
            f"Received: {', '.join(map(repr, record.values)) or 'none'}."
        )
    return found


def _text(record: Record, name: str) -> str:
    value = record.values[name]
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        value = ("\n" if name in _LINES else " ").join(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{record.where}: `{name}` must be text. Received: {value!r:.80}."
        )
    return value


def _input(record: Record) -> str:
    """What an instruction is about, behind an empty line; often nothing."""
    for name in _INPUTS:
        if record.values.get(name):
            return "\n\n" + _text(record, name)
    return ""


def _references(record: Record, template: Template, name: str):
    value = record.values[name]
    if template.name == "write" and isinstance(value, list):
        return (_text(record, name),)
    if isinstance(value, dict) and "text" in value:
        value = value["text"]  # as the answers of SQuAD
    values = value if isinstance(value, list) else [value]
    if template.name == "answer":
        values = values or [""]
    is_text = all(isinstance(x, str) for x in values)
    may_be_empty = template.name == "answer"
    if not values or not is_text or not (may_be_empty or all(values)):
        raise ValueError(
            f"{record.where}: `{name}` must be text, or a list of texts. "
            f"Received: {value!r:.80}."
        )
    return tuple(dict.fromkeys(values))


def _conversation(record: Record, template: Template) -> Example:
    name = _column(record, _FIELDS["messages"])
    value = record.values[name]
    try:
        roles = [_ROLES[message["role"]] for message in value]
        texts = [message["content"] for message in value]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{record.where}: `{name}` must be a list of objects with a "
            f"`role`, one of {', '.join(_ROLES)}, and a `content`. Received: "
            f"{value!r:.80}."
        ) from error
    if roles[:1] == [_SYSTEM] and len(roles) > 1:
        texts[:2] = [f"{texts[0]}\n\n{texts[1]}"]
        roles = roles[1:]
    if not roles or roles != [_USER, _MODEL] * (len(roles) // 2):
        raise ValueError(
            f"{record.where}: messages must be of the user and of the model "
            "in turn, the user's first and the model's last. Received: "
            f"{', '.join(roles) or 'none'}."
        )
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError(
            f"{record.where}: the `content` of each message must be text. "
            f"Received: {value!r:.80}."
        )
    *before, last = texts
    return Example(record.where, template, {"messages": tuple(before)}, (last,))

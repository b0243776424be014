"""Fields of text in, the token ids of a prompt out: on the host and inside the
graph.

A prompt begins with `<|endoftext|>`, which parts documents in training. The
response follows it and ends with `<|endoftext|>`.
"""

import dataclasses
import re
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gpt_keras.text import template_cutting
from gpt_keras.text.template_parts import END
from gpt_keras.text.template_parts import MESSAGES
from gpt_keras.text.template_parts import RESPONSE
from gpt_keras.text.template_parts import USER
from gpt_keras.text.template_parts import Field
from gpt_keras.text.template_parts import Special
from gpt_keras.text.template_parts import encode_parts
from gpt_keras.text.template_parts import special_ids

_DIRECTION = re.compile(r"translate:(\w+)-(\w+)")


@dataclasses.dataclass(frozen=True)
class Template:
    """Says what of a prompt is text and what are special tokens.

    Args:
        name: What the template is called.
        prompt: Its parts in their order, `Special` and `Field`, without the
            `<|endoftext|>` that comes first. With `turns` the parts of one
            turn of the user and the mark behind it:
            `(USER, MESSAGES, RESPONSE)`.
        truncate: The field that is cut where a prompt is too long. The others
            and the special tokens never are.
        keep_end: Whether the end of that field is kept, not its beginning.
        turns: Whether the field holds several messages, of the user and of the
            model in turn, the user's first and last. Then the oldest ones are
            left out, two at a time, and the last one is cut only where it is
            too long alone. Each message of the model ends, in its labels, with
            `<|endoftext|>`, so that it is what every response ends with.

    Raises:
        ValueError: A field comes twice, `truncate` is none of them, or the
            parts do not suit `turns`.

    Example:

        template = TEMPLATES["answer"]
        fields = {"context": "Ada wrote it.", "question": "Who wrote it?"}
        template.encode(tokenizer, fields)
        template.tokenize(tokenizer, {
            name: tf.constant([text]) for name, text in fields.items()
        })
    """

    name: str
    prompt: tuple[Special | Field, ...]
    truncate: str
    keep_end: bool = False
    turns: bool = False

    def __post_init__(self):
        names = self.fields
        if len(set(names)) < len(names) or self.truncate not in names:
            raise ValueError(
                "The fields of a template must differ, and `truncate` must be "
                f"one of them. Received: fields={names}, "
                f"truncate={self.truncate!r}."
            )
        if self.turns and not self._is_one_turn():
            raise ValueError(
                "With `turns` a template must be a special token, "
                f"{MESSAGES} and a special token. Received: {self.prompt}."
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in their order."""
        return tuple(x.name for x in self.prompt if isinstance(x, Field))

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The names that a tokenizer must have, `<|endoftext|>` excepted."""
        names = [x.name for x in self.prompt if isinstance(x, Special)]
        return tuple(dict.fromkeys(names))

    def fill(
        self, fields: Mapping[str, str | Sequence[str]]
    ) -> tuple[Special | str, ...]:
        """Puts texts into the places of the fields.

        Args:
            fields: A text for each field; for `messages` one or several.

        Returns:
            The parts of the prompt, `<|endoftext|>` first.

        Raises:
            ValueError: A field is missing or unknown, a text is no `str`, or
                the last message isn't the user's.
        """
        self._check_names(fields)
        if not self.turns:
            return (END, *(_filled(part, fields) for part in self.prompt))
        messages = fields[MESSAGES.name]
        messages = [messages] if isinstance(messages, str) else list(messages)
        if len(messages) % 2 == 0:
            raise ValueError(
                "`messages` must be of the user and of the model in turn, the "
                f"user's first and last. Received: {len(messages)} messages."
            )
        user, response = self._marks()
        marks = [user, response] * len(messages)
        turns = zip(marks, messages, strict=False)
        return (END, *(x for turn in turns for x in turn), response)

    def encode(
        self,
        tokenizer,
        fields: Mapping[str, str | Sequence[str]],
        max_tokens: int | None = None,
    ) -> list[int]:
        """Gives the ids of a prompt, on the host.

        Args:
            tokenizer: Has `encode_batch` and `special_tokens`, those of the
                template among them.
            fields: As for `fill`.
            max_tokens: The most ids; what is too long is cut as `truncate`
                says.

        Raises:
            ValueError: As `fill`, the tokenizer lacks a special token, or the
                prompt is too long with nothing left of that field.
        """
        parts = self.fill(fields)
        ids = encode_parts(tokenizer, tokenizer.special_tokens, [parts])[0]
        if max_tokens is not None:
            ids = self.cut(ids, max_tokens)
        return np.concatenate(ids).tolist()

    def cut(
        self, parts: Sequence[np.ndarray], max_tokens: int, num_behind: int = 0
    ) -> list[np.ndarray]:
        """Cuts the ids of a prompt as `truncate` says.

        Args:
            parts: The ids of each part that `fill` gives.
            max_tokens: The most ids.
            num_behind: So many of them are for what follows the prompt.

        Returns:
            Ids by parts, fewer parts where messages are left out.

        Raises:
            ValueError: The prompt is too long with nothing left of that field.
        """
        room = max_tokens - num_behind
        parts = template_cutting.without_oldest_turns(
            parts, room if self.turns else None
        )
        place = len(parts) - 2  # of the last message
        if not self.turns:
            place = 1 + self.prompt.index(Field(self.truncate))
        shortest = sum(map(len, parts)) - len(parts[place])
        if shortest > room:
            raise ValueError(
                f"All of a prompt but its {self.truncate!r} must fit into "
                f"{room} tokens. Received: {shortest} tokens."
            )
        kept = template_cutting.cut_row(
            parts[place], room - shortest, self.keep_end
        )
        return [*parts[:place], kept, *parts[place + 1 :]]

    def tokenize(
        self, tokenizer, fields: Mapping[str, tf.Tensor], max_tokens=None
    ) -> tf.RaggedTensor:
        """Gives the ids of a batch of prompts, inside the graph.

        Each row is what `encode` gives for its texts. No text makes it raise:
        where a prompt is too long with nothing left of the field to cut, it
        comes out longer than `max_tokens`.

        Args:
            tokenizer: Has `tokenize` and `special_tokens`, those of the
                template among them.
            fields: A string tensor `(batch,)` for each field. `messages` may
                be ragged strings, `(batch, None)`, an odd number in each row.
            max_tokens: None, or the most ids, an integer or a tensor of them,
                `()` or `(batch,)`.

        Returns:
            Ragged int32, `(batch, None)`.

        Raises:
            ValueError: A field is missing or unknown, or the tokenizer lacks a
                special token.
        """
        self._check_names(fields)
        ids = special_ids(tokenizer.special_tokens, (END, *self.prompt))
        if self.turns:
            user, response = (ids[mark] for mark in self._marks())
            turns = template_cutting.tokenize_turns(
                tokenizer, fields[MESSAGES.name], (user, response), max_tokens
            )
            size = turns.nrows()
            ends = [_column(ids[END], size), _column(response, size)]
            return tf.concat([ends[0], turns, ends[1]], axis=1)
        texts = {name: tokenizer.tokenize(fields[name]) for name in self.fields}
        size = texts[self.truncate].nrows()
        if max_tokens is not None:
            others = [x.row_lengths() for x in texts.values()]
            used = tf.add_n(others) + 1 + len(self.prompt) - len(texts)
            used -= texts[self.truncate].row_lengths()
            texts[self.truncate] = template_cutting.cut_rows(
                texts[self.truncate],
                tf.cast(max_tokens, tf.int64) - used,
                self.keep_end,
            )
        parts = [
            texts[x.name] if isinstance(x, Field) else _column(ids[x], size)
            for x in (END, *self.prompt)
        ]
        return tf.concat(parts, axis=1)

    def _is_one_turn(self) -> bool:
        kinds = [type(part) for part in self.prompt]
        is_between = kinds == [Special, Field, Special]
        return is_between and self.prompt[1] == MESSAGES

    def _marks(self) -> list[Special]:
        """Returns what stands before and behind a message of the user."""
        return [part for part in self.prompt if isinstance(part, Special)]

    def _check_names(self, fields) -> None:
        if {*fields} != {*self.fields}:
            raise ValueError(
                f"The template {self.name!r} must be given the fields "
                f"{', '.join(self.fields)}. Received: "
                f"{', '.join(map(str, fields)) or 'none'}."
            )


def _filled(part: Special | Field, fields: Mapping) -> Special | str:
    if isinstance(part, Special):
        return part
    text = fields[part.name]
    if not isinstance(text, str):
        raise ValueError(
            f"`{part.name}` must be a `str`. Received: {type(text).__name__}."
        )
    return text


def translation(source: str, target: str) -> Template:
    """The template of one direction.

    Args:
        source: A name of letters and digits, such as `en`.
        target: Another one.

    Raises:
        ValueError: A name has other characters, or they are the same.
    """
    name = f"translate:{source}-{target}"
    if not _DIRECTION.fullmatch(name) or source == target:
        raise ValueError(
            "Languages must be two, of letters and digits, such as en and de. "
            f"Received: {source!r}, {target!r}."
        )
    return Template(
        name,
        (Special(f"<|{source}>{target}|>"), Field("source"), RESPONSE),
        truncate="source",
    )


# `translate` is English to German; `find_template` gives other directions.
TEMPLATES: dict[str, Template] = {
    # Plain language modelling: the text goes on.
    "write": Template(
        "write", (Field("prompt"),), truncate="prompt", keep_end=True
    ),
    "pair": Template("pair", (Field("prompt"), RESPONSE), truncate="prompt"),
    "translate": translation("en", "de"),
    "answer": Template(
        "answer",
        (
            Special("<|context|>"),
            Field("context"),
            Special("<|question|>"),
            Field("question"),
            RESPONSE,
        ),
        truncate="context",
    ),
    "summarise": Template(
        "summarise",
        (Special("<|summarise|>"), Field("document"), RESPONSE),
        truncate="document",
    ),
    "chat": Template(
        "chat", (USER, MESSAGES, RESPONSE), truncate="messages", turns=True
    ),
}


def find_template(name: str) -> Template:
    """Gives the template of a name.

    Args:
        name: One of `TEMPLATES`, or `translate:SOURCE-TARGET` for another
            direction, such as `translate:zh-en`.

    Raises:
        ValueError: There is none of that name.
    """
    if match := _DIRECTION.fullmatch(name):
        return translation(match[1], match[2])
    if name not in TEMPLATES:
        raise ValueError(
            f"A template must be one of {', '.join(TEMPLATES)} or "
            f"translate:SOURCE-TARGET. Received: {name!r}."
        )
    return TEMPLATES[name]


def _column(token_id: int, size) -> tf.RaggedTensor:
    """One id in each of `size` rows."""
    column = tf.fill([size, 1], tf.constant(token_id, tf.int32))
    return tf.RaggedTensor.from_tensor(column)

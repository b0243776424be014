"""A template and settings come in, a checked task that a model is asked for
goes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType
from typing import Any

from gpt_keras.generation.beam_settings import USED_SETTINGS
from gpt_keras.generation.beam_settings import make_beam_settings
from gpt_keras.generation.setting_values import BEAM_DEFAULTS
from gpt_keras.generation.setting_values import signature_name
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import make_settings

# What a task uses where the user says nothing, by the name of its template.
TASK_DEFAULTS: dict[str, dict[str, int | float]] = {
    "translate": {"beams": 4},
    "summarise": {"beams": 4},
    "answer": {"temperature": 0.0, "max_new_tokens": 32},
    "pair": {"temperature": 0.0},
    "chat": {"temperature": 0.8, "top_p": 0.95},
}


@dataclass(frozen=True)
class Task:
    """What a model was trained to do with fields of text.

    Attributes:
        name: What it is called, such as `translate`.
        template: Has `name`, `fields`, `truncate`, `turns`, `special_tokens`
            and `tokenize`, see `gpt_keras.text.template.Template`.
        settings: Fields of `GenerationSettings`, one value each, for the
            answers; with `beams` only those that a beam search uses.
        beams: How many hypotheses a beam search goes on with, the best of
            which is the answer; 0 draws tokens.
        length_penalty: Of a beam search.
        answer_from: A field of the template that every answer is a part of;
            None for answers of any words. It can't be with beams.

    Raises:
        ValueError: A setting is unknown or breaks its rule.

    Example:

    >>> make_task(find_template("translate"), max_new_tokens=60)
    """

    name: str
    template: Any
    settings: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({})
    )
    beams: int = 0
    length_penalty: float = BEAM_DEFAULTS["length_penalty"]
    answer_from: str | None = None

    def __post_init__(self):
        if not isinstance(self.beams, int) or isinstance(self.beams, bool):
            raise ValueError(
                f"`beams` must be an integer. Received: beams={self.beams!r}"
            )
        self.row_settings(1)
        if self.answer_from is None:
            return
        if self.beams or self.template.turns:
            raise ValueError(
                "`answer_from` must be without beams, and of a template "
                f"without turns. Received: beams={self.beams}, template="
                f"{self.template.name!r}"
            )
        self.span_segment()

    def span_segment(self) -> int:
        """Returns how many special tokens stand before `answer_from`.

        Raises:
            ValueError: It is no field, or not between special tokens.
        """
        names = [part.name for part in self.template.prompt]
        fields = self.template.fields
        if self.answer_from in fields:
            place = names.index(self.answer_from)
            beside = names[max(place - 1, 0) : place + 2]
            if not {*beside} & {*fields} - {self.answer_from}:
                before = [name for name in names[:place] if name not in fields]
                return 1 + len(before)  # the end of the text is the first
        raise ValueError(
            "`answer_from` must be a field between special tokens, of "
            f"{fields}. Received: answer_from={self.answer_from!r}"
        )

    @property
    def signature(self) -> str:
        """What its signature is called."""
        return signature_name(self.name)

    def with_settings(self, **given) -> "Task":
        """Returns the task with other settings in place of its own.

        A setting for drawing turns beams off; beams make those for drawing
        that the task had drop out.

        Args:
            **given: Fields of `GenerationSettings`, and `beams`,
                `length_penalty` and `answer_from`.

        Raises:
            ValueError: As `Task`.
        """
        own = dict(self.settings) | {
            "beams": self.beams,
            "length_penalty": self.length_penalty,
            "answer_from": self.answer_from,
        }
        if "beams" not in given and _DRAWING & given.keys():
            own["beams"] = 0
        merged = own | given
        if merged["beams"]:
            unused = _DRAWING - given.keys()
            merged = {x: merged[x] for x in merged if x not in unused}
        others = ("beams", "length_penalty", "answer_from")
        others = {x: merged.pop(x) for x in others}
        settings = MappingProxyType(merged)
        return Task(self.name, self.template, settings, **others)

    @property
    def decoding(self) -> dict[str, Any]:
        """Its settings and those of its search, as `with_settings` takes."""
        found = dict(self.settings)
        if self.beams:
            found["beams"] = self.beams
            found["length_penalty"] = self.length_penalty
        if self.answer_from is not None:
            found["answer_from"] = self.answer_from
        return found

    def row_settings(
        self, batch_size: int, max_beams: int | None = None, seeds=None
    ):
        """Returns its settings for every row of a batch.

        Args:
            batch_size: The number of rows.
            max_beams: The most beams; None for no limit of the caller's.
            seeds: One for each row, in place of its own; of no account with
                beams, which draw nothing.

        Returns:
            `GenerationSettings`, and `BeamSettings` or None.

        Raises:
            ValueError: One breaks its rule.
        """
        if self.beams == 0:
            given = dict(self.settings)
            if seeds is not None:
                given["seed"] = seeds
            return make_settings(batch_size, **given), None
        return make_beam_settings(
            batch_size,
            self.beams,
            self.length_penalty,
            max_beams,
            **self.settings,
        )


def make_task(template, name: str | None = None, **settings) -> Task:
    """Returns a task with the defaults of its template and what is given.

    Args:
        template: As of `Task`.
        name: What the task is called; None for the template's name.
        **settings: Fields of `GenerationSettings`, and `beams`,
            `length_penalty` and `answer_from`, as for `Task.with_settings`.

    Raises:
        ValueError: As `Task`.
    """
    defaults = dict(TASK_DEFAULTS.get(template.name.partition(":")[0], {}))
    beams = int(defaults.pop("beams", 0))
    task = Task(name or template.name, template, defaults, beams)
    return task.with_settings(**settings)


_DRAWING = SETTINGS.keys() - {*USED_SETTINGS}


def check_tasks(tasks, tokenizer) -> None:
    """Checks that a tokenizer was made for tasks.

    Raises:
        ValueError: It lacks special tokens of one, or one comes twice.
    """
    names = [task.signature for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"Tasks must differ. Received: {names}")
    for task in tasks:
        known = tokenizer.special_tokens
        missing = [x for x in task.template.special_tokens if x not in known]
        if missing:
            raise ValueError(
                f"The tokenizer must have the special tokens of {task.name!r}, "
                "as after a training on pairs with that template. Received: "
                f"one without {', '.join(missing)}"
            )

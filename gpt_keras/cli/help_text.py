"""Flags and a program's docstring in, the text of its `--help` out."""

import dataclasses
import re
import sys
import textwrap
from typing import NamedTuple

from absl import flags

from gpt_keras.flags import base_of
from gpt_keras.flags import topic_of
from gpt_keras.recipes import RECIPES

_WIDTH = 80
_TEXT_COLUMN = 30  # where what a flag means begins
# The flags that several programs have, by the module that defines them.
_SHARED = {
    "gpt_keras.cli.client_flags": "Server",
    "gpt_keras.cli.sampling": "Sampling",
    "gpt_keras.cli.safety": "Safety",
    "gpt_keras.cli.evaluation_task": "Texts and protocol",
}
_OWN = "Flags"
_MORE = """\
--helpfull says all of each flag, --verbose shows the trace of an error, and
--flagfile=FILE reads flags from a file, one a line.
"""


class Topic(NamedTuple):
    """Flags that belong together, and what they are called."""

    title: str
    flags: list[flags.Flag]


def topics(values: flags.FlagValues, names) -> list[Topic]:
    """Returns flags by topic, those of the program alone first.

    The topics of settings are the comments in their dataclass.

    Args:
        values: Where the flags are.
        names: Of the flags to show.
    """
    found: dict[str, list[flags.Flag]] = {_OWN: []}
    for module, ones in values.flags_by_module_dict().items():
        for flag in ones:
            if flag.name in names:
                title = topic_of(flag) or _SHARED.get(module, _OWN)
                found.setdefault(title, []).append(flag)
    return [Topic(title, ones) for title, ones in found.items() if ones]


def help_text(
    doc: str,
    found: list[Topic],
    recipe: str | None = None,
    is_full: bool = False,
    style=lambda text: text,
) -> str:
    """Returns what `--help` prints.

    Args:
        doc: What the program does, with examples.
        found: Its flags, from `topics`.
        recipe: Whose settings are the defaults; None for those of the
            dataclass.
        is_full: All that is known of each flag instead of a sentence.
        style: Makes a title stand out.
    """
    # The formatter takes the indentation of an example that stands alone.
    doc = re.sub(r"^(?=python -m )", "    ", doc.strip(), flags=re.MULTILINE)
    parts = [doc, ""]
    for topic in found:
        parts.append(style(topic.title))
        show = _all_of if is_full else _short_of
        parts += [show(flag, _default(flag, recipe)) for flag in topic.flags]
        parts.append("")
    return "\n".join(parts if is_full else [*parts, _MORE])


def recipe_in(values: flags.FlagValues, arguments: list[str]) -> str | None:
    """Returns the recipe that a command line begins with, None for none."""
    if "recipe" not in values:
        return None
    given = re.findall(r"--?recipe[= ](\S+)", " ".join(arguments))
    known = [name for name in given if name in RECIPES]
    return known[-1] if known else values["recipe"].default


def _default(flag, recipe: str | None):
    """Returns the default that a flag shows; None for none."""
    base = base_of(flag)
    if base is None:
        return flag.default
    config_class, field = base
    if recipe:
        return getattr(RECIPES[recipe], field)
    (found,) = (x for x in dataclasses.fields(config_class) if x.name == field)
    return found.default


def _short_of(flag, default) -> str:
    """Returns the name and the first sentence, in two columns."""
    sentence = re.split(r"(?<=\.) ", _help(flag))[0]
    name = f"  {_named(flag, default)}"
    lines = textwrap.wrap(
        sentence,
        _WIDTH,
        initial_indent=" " * _TEXT_COLUMN,
        subsequent_indent=" " * _TEXT_COLUMN,
    )
    if len(name) < _TEXT_COLUMN and lines:
        lines[0] = f"{name:<{_TEXT_COLUMN}}{lines[0][_TEXT_COLUMN:]}"
    else:
        lines.insert(0, name)
    return "\n".join(lines)


def _all_of(flag, default) -> str:
    text = _help(flag)
    if flag.flag_type() == "enum" or hasattr(flag.parser, "enum_values"):
        text += f" One of {', '.join(flag.parser.enum_values)}."
    if flag.flag_type().startswith("multi"):
        text += " May come several times."
    indented = textwrap.fill(
        text,
        _WIDTH,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,  # a name may have one
    )
    return f"  {_named(flag, default)}\n{indented}"


def _named(flag, default) -> str:
    """Returns `--name=default`, and what must be given as such."""
    if default in (None, "", []):
        is_needed = any(
            "must have a value" in str(getattr(one, "message", ""))
            for one in flag.validators
        )
        return f"--{flag.name}" + (" (required)" if is_needed else "")
    if default is True:
        return f"--{flag.name} (--no{flag.name})"
    if default is False:
        return f"--{flag.name}"
    if isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    text = repr(default) if isinstance(default, str) else str(default)
    is_plain = re.fullmatch(r"'[\w./:=,+-]*'", text)
    return f"--{flag.name}={text[1:-1] if is_plain else text}"


def _help(flag) -> str:
    text = " ".join((flag.help or "").split())
    # What absl adds: the values of an enum, and that a flag may come again.
    text = re.sub(r"^<[^>]*>: ", "", text)
    return text.removesuffix("; repeat this option to specify a list of values")


def command_names(text: str) -> str:
    """Returns a text with the programs as `gpt-keras train`.

    Args:
        text: It calls them `python -m tools.train` or `tools.train`.
    """
    return re.sub(r"(python -m )?\btools\.([a-z]\w*)", r"gpt-keras \2", text)


def main_doc(main) -> str:
    """Returns the docstring of the module of a program's `main`."""
    return sys.modules[main.__module__].__doc__ or ""

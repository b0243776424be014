"""A dataclass of settings in, absl flags out, and back again.

It works within another program: `define` where the program's own flags are
defined, with a prefix if they would clash, and `collect` once they are parsed.
"""

import dataclasses
import functools
import inspect
import re
import types
import typing

from absl import flags

# The flags belong to the module that calls `define`: its `--help` shows them.
flags.disclaim_key_flags()

_ORIGIN = "gpt_keras_field"  # an attribute of a flag
_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_boolean,
}


def define(config_class, flag_values=flags.FLAGS, prefix: str = "") -> None:
    """Defines one flag for each field of a dataclass.

    A flag has no default of its own: what isn't given on the command line is
    left to the configuration that `collect` starts from.

    Args:
        config_class: A dataclass whose fields are int, float, str or bool (or
            None), with a `"help"` text in their metadata.
        flag_values: Where the flags go.
        prefix: Stands before each name: `"gpt_"` makes `--gpt_steps`. One
            class may be defined several times, each with its own.

    Raises:
        DuplicateFlagError: The program has a flag of such a name already.
            None is defined then.
        ValueError: The prefix can't begin a flag's name, or a field is of
            another type.
    """
    names = _names(config_class, prefix)
    _check_free(config_class, names, flag_values, prefix)
    hints = typing.get_type_hints(config_class)
    kinds = {name: _plain_type(name, hints[name]) for name in names}
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    for name, kind in kinds.items():
        text = fields[name].metadata.get("help", "")
        _DEFINE[kind](
            names[name],
            None,
            re.sub(r"--(\w+)", lambda m: f"--{names.get(m[1], m[1])}", text),
            flag_values=flag_values,
        )
        flag = flag_values[names[name]]
        setattr(flag, _ORIGIN, (config_class, name))


def topic_of(flag) -> str | None:
    """Returns the topic of a flag that `define` made, None of another.

    It is the comment above the first field of the topic in the dataclass, up
    to a colon or semicolon.
    """
    base = base_of(flag)
    return base and _topics(base[0]).get(base[1])


def base_of(flag) -> tuple[type, str] | None:
    """Returns dataclass and field of a flag that `define` made, or None."""
    return getattr(flag, _ORIGIN, None)


@functools.cache
def _topics(config_class) -> dict[str, str]:
    """Returns the topic of each field, by the comments between them."""
    try:
        lines = inspect.getsource(config_class).splitlines()
    except (OSError, TypeError):  # made by `make_dataclass`, or no source
        return {}
    found, topic = {}, None
    for line in lines:
        if match := re.match(r"    # ([^:;]+)", line):
            topic = match[1]
        elif topic and (match := re.match(r"    (\w+): ", line)):
            found[match[1]] = topic
    return found


def collect(base, flag_values=flags.FLAGS, prefix: str = ""):
    """Returns `base` with every flag that was given put in its place.

    Args:
        base: An instance of the dataclass that `define` took.
        flag_values: Where the flags are.
        prefix: As in `define`.

    Raises:
        UnparsedFlagAccessError: The flags have not been parsed yet, so nobody
            knows which were given.
        Error: `define` was not called with this prefix (`absl.flags.Error`,
            of which the other one is a kind).
        ValueError: A value is out of range.
    """
    names = _names(type(base), prefix)
    call = _call(type(base), prefix)
    if not all(name in flag_values for name in names.values()):
        raise flags.Error(
            "Flags must be defined before they are collected. Received: none "
            f"of {call}."
        )
    if not flag_values.is_parsed():
        raise flags.UnparsedFlagAccessError(
            "Flags must be parsed before they are collected: call it within "
            "`app.run(main)`, not while the module is loaded. Received: flags "
            f"of {call} that have not been parsed."
        )
    values = {name: flag_values[names[name]].value for name in names}
    given = {name: x for name, x in values.items() if x is not None}
    try:
        return dataclasses.replace(base, **given)
    except ValueError as error:
        if not prefix:
            raise
        message = f"Of the flags that begin with --{prefix}: {error}"
        raise ValueError(message) from error


def flagfile(config, prefix: str = "") -> str:
    """Returns the text of a `--flagfile` that gives `config` again.

    A flagfile has one flag a line and trims it: values of several lines are
    left out, and white space at the ends of a value is lost.

    Args:
        config: An instance of the dataclass that `define` took.
        prefix: As in `define`.
    """
    lines = []
    for field, name in _names(type(config), prefix).items():
        value = getattr(config, field)
        if value is None:
            continue
        if "\n" in str(value):
            lines.append(f"# --{name} has several lines: left out\n")
        else:
            value = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"--{name}={value}\n")
    return "".join(lines)


def _names(config_class, prefix: str) -> dict[str, str]:
    """Returns the flag's name for each field."""
    if prefix and not re.fullmatch(r"[A-Za-z]\w*", prefix, re.ASCII):
        raise ValueError(
            "`prefix` must be letters, digits and underscores, and begin with "
            f"a letter. Received: prefix={prefix!r}"
        )
    fields = dataclasses.fields(config_class)
    return {field.name: prefix + field.name for field in fields}


def _check_free(config_class, names, flag_values, prefix: str) -> None:
    taken = [name for name in names.values() if name in flag_values]
    if taken:
        raise flags.DuplicateFlagError(
            "Each flag must be defined once: give those of "
            f"{config_class.__name__} a prefix that no other flag begins "
            f"with, {_call(config_class, prefix + 'gpt_')} for example. "
            "Received: flags that are there already, "
            f"{', '.join(f'--{name}' for name in taken)}"
        )


def _call(config_class, prefix: str) -> str:
    """Returns the call of `define`, for a message."""
    argument = f", prefix={prefix!r}" if prefix else ""
    return f"`gpt_keras.flags.define({config_class.__name__}{argument})`"


def _plain_type(name: str, annotation):
    """Returns `int` for `int | None`."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = set(typing.get_args(annotation)) - {type(None)}
        annotation = kinds.pop() if len(kinds) == 1 else annotation
    if annotation not in _DEFINE:
        raise ValueError(
            "A field must be int, float, str or bool, or one of them or None, "
            f"to become a flag. Received: {name}: {annotation}"
        )
    return annotation

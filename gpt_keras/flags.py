"""A dataclass of settings in, absl flags out, and back again."""

import dataclasses
import types
import typing

from absl import flags

_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_boolean,
}


def define(config_class, flag_values=flags.FLAGS) -> None:
    """Defines one flag for each field of a dataclass.

    A flag has no default of its own: what isn't given on the command line is
    left to the configuration that `collect` starts from.

    Args:
        config_class: A dataclass whose fields are int, float, str or bool (or
            None), with a `"help"` text in their metadata.
        flag_values: Where the flags go.
    """
    for field in dataclasses.fields(config_class):
        _DEFINE[_plain_type(field.type)](
            field.name,
            None,
            field.metadata.get("help", ""),
            flag_values=flag_values,
        )


def collect(base, flag_values=flags.FLAGS):
    """Returns `base` with every flag that was given put in its place.

    Args:
        base: An instance of the dataclass that `define` took.
        flag_values: Where the flags are.
    """
    given = {
        field.name: flag_values[field.name].value
        for field in dataclasses.fields(base)
        if flag_values[field.name].value is not None
    }
    return dataclasses.replace(base, **given)


def flagfile(config) -> str:
    """Returns the text of a `--flagfile` that gives `config` again.

    A flagfile has one flag a line and trims it: values of several lines are
    left out, and white space at the ends of a value is lost.
    """
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None:
            continue
        if "\n" in str(value):
            lines.append(f"# --{field.name} has several lines: left out\n")
        else:
            value = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"--{field.name}={value}\n")
    return "".join(lines)


def _plain_type(annotation):
    """Returns `int` for `int | None`."""
    if isinstance(annotation, types.UnionType):
        (annotation,) = set(typing.get_args(annotation)) - {type(None)}
    return annotation

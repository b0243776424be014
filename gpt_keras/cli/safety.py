"""The safety of a `Policy` as flags, and back."""

import pathlib

from absl import flags

from gpt_keras.cli.watermark_key import read_key
from gpt_keras.generation.policy import REFUSAL_TEXT
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.redaction import KINDS
from gpt_keras.generation.watermark import Watermark


def define_flags(values) -> None:
    """Defines the flags of what holds for every text."""
    flags.DEFINE_string(
        "banned_file",
        None,
        "File with texts that are never written, one a line.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "refuse_file",
        None,
        "File with words, one a line: a prompt or text with one is refused.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "refusal_text",
        REFUSAL_TEXT,
        "Stands in place of a text that is refused.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "redact",
        [],
        f"Kinds of what is replaced in texts, of {', '.join(KINDS)}.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "repetition_guard",
        0,
        "Ends a text that says the same so often in a row; 0: off.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "watermark_key_file",
        None,
        "File with the secret number that marks the texts.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "watermark_strength",
        Watermark.strength,
        "Added to the logits of the marked tokens.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "watermark_share",
        Watermark.share,
        "Share of the vocabulary that is marked at each place.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "prompt_lookup",
        0,
        "Tokens that are guessed at a time from what stood there before: the "
        "same texts, faster where they repeat themselves; 0: off.",
        flag_values=values,
    )


def policy(values, **limits) -> Policy:
    """Returns the flags' policy, with limits for `Policy`.

    Raises:
        ValueError: A value breaks its rule.
        OSError: A file can't be read.
    """
    return Policy(
        banned=_lines(values.banned_file),
        refuse=_lines(values.refuse_file),
        refusal_text=values.refusal_text,
        redact=tuple(values.redact),
        repetition_guard=values.repetition_guard,
        watermark=_watermark(values),
        prompt_lookup=values.prompt_lookup,
        **limits,
    )


def _lines(path) -> tuple[str, ...]:
    if path is None:
        return ()
    lines = pathlib.Path(path).read_text(encoding="utf-8-sig").splitlines()
    return tuple(line for line in lines if line)


def _watermark(values) -> Watermark | None:
    if values.watermark_key_file is None:
        return None
    return Watermark(
        key=read_key(values.watermark_key_file, "watermark_key_file"),
        strength=values.watermark_strength,
        share=values.watermark_share,
    )

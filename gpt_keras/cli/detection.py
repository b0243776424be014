"""The watermark to look for as flags, and what was found as a verdict."""

import math

from absl import flags

from gpt_keras.cli.watermark_key import read_key
from gpt_keras.generation.watermark import Detection
from gpt_keras.generation.watermark import Watermark


def define_flags(values) -> None:
    """Defines the flags of what to look for."""
    flags.DEFINE_integer(
        "key",
        None,
        "The watermark's secret number. It stays in the shell's history: "
        "--key_file does not.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "key_file", None, "File with that number.", flag_values=values
    )
    flags.DEFINE_float(
        "share",
        Watermark.share,
        "Share of the vocabulary that is marked at each place.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "threshold",
        4.0,  # Kirchenbauer et al. 2023, §3
        "A text with at least this z-score counts as watermarked.",
        flag_values=values,
    )


def watermark(values, **parts) -> Watermark:
    """Returns the flags' watermark, with further parts of `Watermark`.

    Raises:
        ValueError: A value breaks its rule, or the key is missing or twice.
        OSError: The key's file can't be read.
    """
    if not values.threshold > 0:
        raise ValueError(
            "`threshold` must be positive. Received: "
            f"threshold={values.threshold}"
        )
    return Watermark(key=_key(values), share=values.share, **parts)


def verdict(found: Detection, values) -> str:
    """Says what a detection means at the flags' threshold."""
    if is_watermarked(found, values):
        return "watermarked"
    # The z-score if every token were green.
    highest = math.sqrt(found.counted * (1 - values.share) / values.share)
    if highest < values.threshold:
        return "too short to tell"
    return "no watermark found"


def is_watermarked(found: Detection, values) -> bool:
    """Says whether a detection reaches the flags' threshold."""
    return found.z_score >= values.threshold


def _key(values) -> int:
    if (values.key is None) == (values.key_file is None):
        raise ValueError(
            "Either `key` or `key_file` must be given. Received: "
            f"{'neither' if values.key is None else 'both'}"
        )
    if values.key_file is None:
        return values.key
    return read_key(values.key_file, "key_file")

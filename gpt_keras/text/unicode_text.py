"""Text as a user gives it comes in, text that is sure to be UTF-8 goes out."""

from collections.abc import Iterable

import tensorflow as tf


def check_texts(texts: Iterable[str]) -> list[str]:
    """Gives back the texts as a list if each passes `check_text`.

    Raises:
        ValueError: one `str` instead of several, or a text that does not pass.
    """
    if isinstance(texts, str | bytes):
        raise ValueError(
            "`texts` must be several texts, not one. Received: "
            f"{type(texts).__name__}."
        )
    return [check_text(text) for text in texts]


def check_text(text: str) -> str:
    """Gives back `text` if it is a string that UTF-8 can express.

    Raises:
        ValueError: not a `str`, or a `str` with a lone surrogate.
    """
    if not isinstance(text, str):
        raise ValueError(
            "Text must be a `str` (decode bytes first). Received: "
            f"{type(text).__name__}."
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            "Text must be free of lone surrogates, which UTF-8 cannot "
            f"express. Received: U+{ord(text[error.start]):04X} at character "
            f"{error.start}."
        ) from None
    return text


def to_utf8(texts) -> tf.Tensor:
    """Replaces what is not UTF-8 by U+FFFD, inside the graph.

    Malformed bytes give as many U+FFFD as `bytes.decode("utf-8", "replace")`:
    one for each maximal beginning of a character.

    Args:
        texts: strings, `(batch,)`.

    Returns:
        String tensor, `(batch,)`.
    """
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank not in (1, None):
        raise ValueError(
            "`texts` must have the shape (batch,). Received: shape "
            f"{tuple(texts.shape)}."
        )
    return tf.strings.unicode_transcode(
        texts,
        input_encoding="UTF-8",
        output_encoding="UTF-8",
        errors="replace",
        replace_control_characters=False,
    )

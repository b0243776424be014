"""Bytes of UTF-8 in, text without byte order mark and with LF out."""

import codecs

_DECODING_ERRORS = ("strict", "replace")
_WIDE_BYTE_ORDER_MARKS = (  # UTF-32-LE starts like UTF-16-LE: test it first
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def check_errors(errors: str) -> None:
    """Raises ValueError unless `decode_text` knows `errors`."""
    if errors not in _DECODING_ERRORS:
        raise ValueError(
            f"`errors` must be one of {_DECODING_ERRORS}. "
            f"Received: errors={errors!r}."
        )


def decode_text(data: bytes, where: str, errors: str) -> str:
    """Decodes UTF-8, with CRLF and lone CR as LF.

    Args:
        data: The bytes of one document.
        where: What to call it in an error.
        errors: `"strict"`, or `"replace"` to put U+FFFD in the place of what
            can't be decoded.

    Raises:
        ValueError: The bytes are not UTF-8; the message names line and byte.
    """
    for mark, encoding in _WIDE_BYTE_ORDER_MARKS:
        if data.startswith(mark):
            raise ValueError(
                f"Text must be UTF-8. {where} begins with the byte order "
                f"mark of {encoding}: convert it first."
            )
    try:
        text = data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b"x").splitlines())
        raise ValueError(
            f"Text must be UTF-8. {where}, line {line}, byte offset "
            f"{error.start}: {error.reason} (0x{data[error.start]:02x}). "
            "`errors='replace'` accepts it with U+FFFD in its place."
        ) from None
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")

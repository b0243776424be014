"""Bytes of UTF-8 in, text without byte order mark and with LF out."""

import codecs
from collections.abc import Iterator

from gpt_keras.text.text_cutting import last_border

_DECODING_ERRORS = ("strict", "replace")
_WIDE_BYTE_ORDER_MARKS = (  # UTF-32-LE starts like UTF-16-LE: test it first
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_BLOCK_BYTES = 2**24


def check_errors(errors: str) -> None:
    """Raises ValueError unless `decode_text` knows `errors`."""
    if errors not in _DECODING_ERRORS:
        raise ValueError(
            f"`errors` must be one of {_DECODING_ERRORS}. "
            f"Received: errors={errors!r}."
        )


def decode_text(
    data: bytes, where: str, errors: str, *, lines: int = 0, offset: int = 0
) -> str:
    """Decodes UTF-8, with CRLF and lone CR as LF.

    Args:
        data: The bytes of one document, or whole lines of it.
        where: What to call it in an error.
        errors: `"strict"`, or `"replace"` to put U+FFFD in the place of what
            can't be decoded.
        lines: Lines of the document before these.
        offset: Bytes of the document before these.

    Raises:
        ValueError: The bytes are not UTF-8; the message names line and byte.
    """
    for mark, encoding in _WIDE_BYTE_ORDER_MARKS:
        if data.startswith(mark) and not offset:
            raise ValueError(
                f"Text must be UTF-8. {where} begins with the byte order "
                f"mark of {encoding}: convert it first."
            )
    try:
        text = data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        line = lines + len((data[: error.start] + b"x").splitlines())
        raise ValueError(
            f"Text must be UTF-8. {where}, line {line}, byte offset "
            f"{offset + error.start}: {error.reason} "
            f"(0x{data[error.start]:02x}). "
            "`errors='replace'` accepts it with U+FFFD in its place."
        ) from None
    if not offset:
        text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode_file(
    file, where: str, errors: str, block_bytes: int = _BLOCK_BYTES
) -> Iterator[str]:
    """Decodes a file without holding it in memory.

    Args:
        file: Open for reading bytes.
        where: What to call it in an error.
        errors: As for `decode_text`.
        block_bytes: Read at a time. A line is read whole, however long.

    Yields:
        The text in pieces, none of them empty, cut where
        `text_cutting.cut_between_words` may cut.

    Raises:
        ValueError: As `decode_text`.
    """
    lines = offset = 0
    waiting = ""
    for data in _blocks_of_lines(file, block_bytes):
        text = decode_text(data, where, errors, lines=lines, offset=offset)
        lines += len(data.splitlines())
        offset += len(data)
        border = last_border(waiting) if text else 0
        if border:
            yield waiting[:border]
        waiting = waiting[border:] + text
    if waiting:
        yield waiting


def _blocks_of_lines(file, block_bytes: int) -> Iterator[bytes]:
    begun = []  # a line whose end was not read yet
    block = file.read(block_bytes)
    while following := file.read(block_bytes):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, block[:end]])
            begun = []
        begun.append(block[end:])
        block = following
    yield b"".join([*begun, block])

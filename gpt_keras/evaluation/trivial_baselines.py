"""The input of a task in, what one writes without understanding it out."""

import re

from gpt_keras.evaluation.text_units import is_han

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s|(?<=[。！？])|\n")
_NAME_WORD = re.compile(r"\w+(?:[.'’&-]\w+)*")


def first_sentence(document: str) -> str:
    """Returns the first sentence of a document: a summary by its place.

    A sentence ends with `.`, `!` or `?` before white space, with `。`, `！` or
    `？`, or with the line.
    """
    text = document.strip()
    end = _SENTENCE_END.search(text)
    return text[: end.start() + len(end[0])].strip() if end else text


def longest_name(context: str) -> str:
    """Returns the longest run of capitalised words: an answer by its look.

    The first of equal ones; empty where there is none. Numbers count as
    capitalised, and the first word of a sentence is too. Text in Chinese has
    no capitals: there it is what stands between the first 《》, “” or 「」, or
    the longest run in Latin letters.
    """
    runs: list[str] = []
    begin = end = None
    for word in _NAME_WORD.finditer(context):
        is_name = word[0][0].isupper() or word[0][0].isdigit()
        joins = end is not None and context[end : word.start()] == " "
        if is_name and joins:
            end = word.end()
        elif is_name:
            begin, end = word.span()
        else:
            begin = end = None
        if begin is not None:
            runs.append(context[begin:end])
    if runs and not any(map(is_han, context)):
        return max(runs, key=len)
    quoted = re.search(r"[《“「]([^《》“”「」]+)[》”」]", context)
    return quoted[1] if quoted else max(runs, key=len, default="")


def copied(source: str) -> str:
    """Returns the source itself: a translation that isn't one."""
    return source

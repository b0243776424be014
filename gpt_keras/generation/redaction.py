"""Texts come in, texts whose personal and secret parts are replaced go out,
inside the graph.

RE2 reads every pattern in linear time. It cannot look around, so a pattern
takes the borders of what it finds with it and the rewrite puts them back.
"""

from collections.abc import Iterable

import tensorflow as tf

# Scripts that are written without spaces, so that an address ends where they
# begin, and the other ones.
_IDEOGRAPHIC = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
_LETTERS = (
    r"\p{Latin}\p{Greek}\p{Cyrillic}\p{Arabic}\p{Hebrew}\p{Devanagari}\p{M}"
)
_ALPHABETIC = rf"{_LETTERS}\p{{Nd}}"


def _email() -> list[tuple[str, str]]:
    local = rf"[{_ALPHABETIC}_][{_ALPHABETIC}._%+&'~-]*"
    labels = rf"(?:(?:[{_ALPHABETIC}-]+|[{_IDEOGRAPHIC}]+)[.．])+"
    top = rf"(?:xn--[a-z0-9-]+|[{_LETTERS}]{{2,}}|[{_IDEOGRAPHIC}]{{2,4}})"
    # `张三@例子.公司`, but not the sentence before it, nor `联系@tf.function`.
    name = rf"[{_IDEOGRAPHIC}]{{1,4}}"
    known_top = rf"(?:com|net|org|edu|gov|cn|hk|tw|[{_IDEOGRAPHIC}]{{2,4}})"
    forms = (f"{local}[@＠]{labels}{top}", f"{name}[@＠]{labels}{known_top}")
    return [(rf"(?:{'|'.join(forms)})", "[EMAIL]")]


# Digits, also full-width ones, and what stands between groups of them.
_D = "[0-9０-９]"
_SEPARATOR = r"[ \x{a0}\x{2009}\x{202f}\x{3000}.．\-‐‑–－]"
_GAP = r"[ \x{a0}\x{2009}\x{202f}\x{3000}.．\-‐‑–－()（）/]{0,3}"
# Not inside a longer number, a decimal fraction, a word or a sum of money.
_BEFORE_PHONE = (
    r"(^|[^0-9０-９A-Za-z_$€£¥￥+＋.\-]|(?:^|[^0-9０-９A-Za-z_])[.\-])"
)
_AFTER_PHONE = r"($|[^0-9０-９A-Za-z_.\-元圆万亿]|[.\-](?:[^0-9０-９]|$))"
_EXTENSION = rf"(?: ?(?:ext\.?|x|#|转|分机|-|－) ?{_D}{{1,6}})?"
_NUMBERED = (  # what says that the digits behind it are a telephone number
    r"((?i:(?:^|[^0-9A-Za-z_])(?:tel|telephone|phone|mobile|cell|fax|whatsapp)"
    r"(?: (?:no|number))?(?: is)?[.:：]* ?)"
    r"|(?:电话|手机|手机号|座机|热线|传真|联系方式)(?:号码)?(?:是|为)?[:： ]*)"
)
_CALL = (
    r"((?i:(?:^|[^0-9A-Za-z_])(?:call|dial|ring|text)(?: me| us| now)?"
    r"(?: at| on)? ))"
)


def _phone() -> list[tuple[str, str]]:
    s, d = _SEPARATOR, _D
    international = (
        rf"(?:[+＋]{_GAP}[1-9１-９](?:{_GAP}{d}){{8,14}}"
        rf"|[0０]{{2}}[1-9１-９](?:{_GAP}{d}){{8,13}})"
    )
    north_american = (
        rf"(?:[1１]{s})?(?:[(（][2-9２-９]{d}{{2}}[)）]{s}?|[2-9２-９]{d}{{2}}{s})"
        rf"[2-9２-９]{d}{{2}}{s}{d}{{4}}"
    )
    chinese_mobile = (
        rf"(?:86{s}?)?[1１][3-9３-９]{d}"
        rf"(?:{s}?{d}{{4}}{s}?{d}{{4}}|{d}{s}{d}{{3}}{s}{d}{{4}})"
    )
    landline = (  # 010-12345678, (0571) 8765 4321, 020 7946 0123
        rf"(?:[(（][0０]{d}{{2,3}}[)）]{s}?|[0０]{d}{{2,3}}(?:{s}|/))"
        rf"{d}{{3,4}}{s}?{d}{{4}}"
    )
    free = rf"[48４８][0０]{{2}}{s}{d}{{3}}(?:{s}{d}{{4}}|{d}{s}{d}{{3}})"
    forms = (international, north_american, chinese_mobile, landline, free)
    rewrite = r"\1[PHONE]\2"
    anywhere = (
        rf"{_BEFORE_PHONE}(?:{'|'.join(forms)}){_EXTENSION}{_AFTER_PHONE}",
        rewrite,
    )
    labelled = rf"[(（+＋]?{d}(?:{_GAP}{d}){{5,14}}"
    return [
        anywhere,
        anywhere,  # numbers that had a border in common
        (rf"{_NUMBERED}{labelled}{_EXTENSION}{_AFTER_PHONE}", rewrite),
        (rf"{_CALL}{d}{{3}}{s}{d}{{4}}{_AFTER_PHONE}", rewrite),
    ]


_BEGIN = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_END = r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_KEYS = (
    rf"(?s:{_BEGIN}.*?{_END})",
    # A completion may end before its key does.
    rf"{_BEGIN}(?:\s*[A-Za-z0-9+/=]{{16,}})*\s*[A-Za-z0-9+/=]*$",
    r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*",
    r"\bsk-(?:[a-z0-9]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*",
    r"\b(?:gh[pousr]|github_pat|[rs]k_live|[rs]k_test|hf|npm)_[A-Za-z0-9_]{16,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
)
# Starts a run that may be a key; what the text has of `\x1e` is escaped.
_MARK = "\x1e:"


def _key() -> list[tuple[str, str]]:
    return [
        *((pattern, "[KEY]") for pattern in _KEYS),
        ("\x1e", "\x1e."),
        *_random_runs(r"+/_\-"),
        *_random_runs(r"_\-"),  # behind a path
        (r"\x1e\.", "\x1e"),
    ]


def _random_runs(symbols: str) -> list[tuple[str, str]]:
    """Runs of 32 characters are marked; those that people write lose the mark.

    What stays marked is hexadecimal or looks like base64: letters of both
    cases and digits in turns, without words.
    """
    run = f"[A-Za-z0-9{symbols}]"
    end = f"([^A-Za-z0-9{symbols}]|$)"
    name = (  # computeTheSumInFloat32, /Users/AdaLovelace/2024
        f"[a-z]*(?:[A-Z]{{1,4}}[a-z]+[0-9]{{0,4}}"
        f"|[{symbols}](?:[A-Z]{{0,4}}[a-z]+)?[0-9]{{0,4}})*"
    )
    words = f"(?:[A-Z]?[a-z]{{3,}}[{symbols}]?){{3}}"
    path = f"(?:[{symbols}][A-Za-z0-9]{{0,6}}){{3}}[{symbols}]"
    letters = f"[{symbols}]?[A-Za-z][A-Za-z{symbols}]{{0,15}}"
    return [
        (f"{run}{{32,}}", rf"{_MARK}\0"),
        (f"{_MARK}([A-Za-z{symbols}]*){end}", r"\1\2"),
        (f"{_MARK}([0-9{symbols}]*){end}", r"\1\2"),
        (f"{_MARK}(?:[0-9a-f]+|[0-9A-F]+){end}", r"[KEY]\1"),
        (f"{_MARK}([a-z0-9]*[{symbols}][a-z0-9{symbols}]*){end}", r"\1\2"),
        (f"{_MARK}([A-Z0-9]*[{symbols}][A-Z0-9{symbols}]*){end}", r"\1\2"),
        (f"{_MARK}{run}*(?:[0-9]+{letters}){{6}}{run}*={{0,2}}", "[KEY]"),
        (f"{_MARK}({name}){end}", r"\1\2"),
        (f"{_MARK}({run}*(?:{words}|{path}))", r"\1"),
        (f"{_MARK}{run}+={{0,2}}", "[KEY]"),
    ]


# What each kind rewrites, in this order: a telephone number may be in an
# address.
KINDS = {"email": _email(), "key": _key(), "phone": _phone()}


def check_kinds(kinds: Iterable[str]) -> None:
    """Checks kinds of what is redacted.

    Raises:
        ValueError: One is unknown or comes twice, or they are one string.
    """
    received = kinds if isinstance(kinds, str) else list(kinds)
    if (
        isinstance(kinds, str)
        or not all(kind in KINDS for kind in received)
        or len(set(received)) < len(received)
    ):
        raise ValueError(
            f"`redact` must be different kinds of {list(KINDS)}. Received: "
            f"{received!r}"
        )


def redact(texts, kinds: Iterable[str]) -> tuple[tf.Tensor, tf.Tensor]:
    """Replaces e-mail addresses, telephone numbers and key-like strings.

    Args:
        texts: strings, `(batch,)`.
        kinds: Of `KINDS`; none changes nothing.

    Returns:
        The texts, `(batch,)`, with `[EMAIL]`, `[PHONE]` and `[KEY]` in place
        of what was found, and whether each was changed, boolean `(batch,)`.

    Raises:
        ValueError: A kind is unknown.

    Example:

    >>> redact(["Ask ada@example.com."], ["email"])[0].numpy()
    array([b'Ask [EMAIL].'], dtype=object)
    """
    kinds = list(kinds)
    check_kinds(kinds)
    texts = tf.convert_to_tensor(texts, tf.string)
    redacted = texts
    for kind, steps in KINDS.items():
        for pattern, rewrite in steps if kind in kinds else ():
            redacted = tf.strings.regex_replace(redacted, pattern, rewrite)
    return redacted, redacted != texts

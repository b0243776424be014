"""Names of special tokens come in, a checked list led by the separator's, or
a tokenizer that has them, goes out.
"""

from collections.abc import Iterable

END_OF_TEXT = "<|endoftext|>"  # GPT-2's name


def with_end_of_text(names: Iterable[str]) -> list[str]:
    """The names, each once, with `<|endoftext|>` among them.

    Args:
        names: distinct strings. `<|endoftext|>` is put first if it is missing.

    Raises:
        ValueError: a name is no string, empty, given twice, or not UTF-8.
    """
    if isinstance(names, str):
        raise ValueError(
            "`special_tokens` must be a sequence of strings. Received: the "
            f"string {names!r}."
        )
    names = list(names)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(
                f"A special token must be a string. Received: {name!r}."
            )
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise ValueError(
                "A special token must be free of lone surrogates. Received: "
                f"{name!r}."
            )
    if len(set(names)) < len(names):
        raise ValueError(f"Special tokens must differ. Received: {names}.")
    return names if END_OF_TEXT in names else [END_OF_TEXT, *names]


def with_special_tokens(tokenizer, names: list[str]):
    """Returns a tokenizer with more special tokens behind its other ids.

    Args:
        tokenizer: A `BytePairTokenizer` or `CharacterTokenizer`.
        names: Distinct names that it doesn't know.

    Raises:
        ValueError: A name is empty, comes twice, or is a token already.
    """
    content = tokenizer.content()
    known = {*content["special_tokens"], *content.get("vocabulary", ())}
    if taken := sorted(known & {*names}):
        raise ValueError(
            "Special tokens that are added must be new ones. Received: "
            f"{', '.join(taken)}, which the vocabulary has"
        )
    content["special_tokens"] = [*content["special_tokens"], *names]
    return type(tokenizer).from_content(content)

"""A folder with a `tokenizer.json` comes in, the tokenizer that it holds goes
out.
"""

import os

from gpt_keras.text import tokenizer_file
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.character_tokenizer import CharacterTokenizer

_KINDS = {cls.kind: cls for cls in (BytePairTokenizer, CharacterTokenizer)}


def load_tokenizer(
    directory: str | os.PathLike,
) -> BytePairTokenizer | CharacterTokenizer:
    """Reads the tokenizer that was saved into a folder.

    Raises:
        FileNotFoundError: the folder has no `tokenizer.json`.
        ValueError: the file is broken, of another kind or format, or its parts
            do not fit together.
    """
    content = tokenizer_file.read(directory)
    path = os.path.join(directory, tokenizer_file.FILE_NAME)
    kind = content["kind"]
    if kind not in _KINDS:
        raise ValueError(
            f"{path} must be of the kind {sorted(_KINDS)}. Received: {kind!r}."
        )
    try:
        tokenizer = _KINDS[kind].from_content(content)
    except KeyError as error:
        raise ValueError(f"{path} must have the field {error}.") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    written = tokenizer.content()
    if written != content:
        odd = sorted(
            field
            for field in written.keys() | content.keys()
            if written.get(field) != content.get(field)
        )
        raise ValueError(
            f"{path} must be as `save` writes it. It differs in: {odd}."
        )
    return tokenizer

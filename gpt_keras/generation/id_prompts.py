"""A tokenizer in, one out that reads prompts as token ids.

Special tokens are in no text that somebody types: a prompt with a template is
made of ids.
"""

from collections.abc import Sequence

import tensorflow as tf


class IdPrompts:
    """Reads prompts as ids; all else is as the tokenizer has it.

    Args:
        tokenizer: Of the model.

    Example:

    >>> generator = TextGenerator(model, IdPrompts(tokenizer))
    >>> generator.generate(id_prompt(template.encode(tokenizer, fields)))
    """

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)

    def tokenize(self, prompts) -> tf.RaggedTensor:
        """Gives the ids of prompts.

        Args:
            prompts: Strings `(batch,)`, as of `id_prompt`.

        Returns:
            Ragged int32, `(batch, None)`.
        """
        return tf.strings.to_number(tf.strings.split(prompts), tf.int32)


def id_prompt(token_ids: Sequence[int]) -> str:
    """Returns the prompt of token ids."""
    return " ".join(map(str, token_ids))

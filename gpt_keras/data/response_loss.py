"""Ids of prompts and responses in, labels and weights of the responses out.

Which tokens are of a response is seen from the special tokens alone, which no
text can give: those behind `<|response|>`, up to the next special token.
"""

import dataclasses

import numpy as np

from gpt_keras.text.template_parts import RESPONSE
from gpt_keras.text.template_parts import special_ids


@dataclasses.dataclass(frozen=True)
class ResponseLoss:
    """The loss on responses alone.

    Attributes:
        response_id: Of `<|response|>`.
        special_ids: Of all special tokens, `<|endoftext|>` among them.
        end_of_text_id: Of `<|endoftext|>`.
    """

    response_id: int
    special_ids: tuple[int, ...]
    end_of_text_id: int

    @classmethod
    def of(cls, tokenizer) -> "ResponseLoss":
        """Takes the ids from a tokenizer.

        Raises:
            ValueError: It has no `<|response|>`.
        """
        known = tokenizer.special_tokens
        response = special_ids(known, [RESPONSE])[RESPONSE]
        return cls(response, tuple(known.values()), tokenizer.end_of_text_id)

    def __call__(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gives the labels and weights of a run of tokens.

        Args:
            tokens: `(length + 1,)` integers: the tokens of a text from its
                beginning on, and the one behind them.

        Returns:
            Labels and weights, `(length,)` int32 and float32. The weight is 1
            where the label is of a response. At the end of a response the
            label is `<|endoftext|>`, also where the user goes on.
        """
        before, labels = tokens[:-1], tokens[1:]
        places = np.arange(len(before))
        marks = np.where(np.isin(before, self.special_ids), places, -1)
        last = np.maximum.accumulate(marks)
        inside = (last >= 0) & (before[last] == self.response_id)
        ends = inside & np.isin(labels, self.special_ids)
        labels = np.where(ends, np.int32(self.end_of_text_id), labels)
        return labels, inside.astype(np.float32)

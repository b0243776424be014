"""A way to begin comes in, completions that are traced once go out: whole or
piece by piece.
"""

import codecs
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from gpt_keras.generation.decoding_state import Completions
from gpt_keras.generation.text_completion import CompletionState
from gpt_keras.generation.text_completion import TextCompleter


class CompiledCompletion:
    """Runs a `TextCompleter` by functions that are traced at their first call.

    Args:
        completer: The completer.
        start: A function from tensors to a `CompletionState`, such as
            `completer.start`.
        input_signature: Of `start`, with every shape open.
        pieces_are_final: Whether no later token changes what is written.
    """

    def __init__(
        self,
        completer: TextCompleter,
        start: Callable[..., CompletionState],
        input_signature,
        pieces_are_final: bool,
    ):
        self._completer = completer
        self._pieces_are_final = pieces_are_final
        self._start = tf.function(
            start, input_signature=input_signature, autograph=False
        )
        self._advance: Any = None
        self._result: Any = None

    def start(self, *inputs) -> CompletionState:
        """Returns the state before the first token.

        Raises:
            ValueError: A row breaks a rule.
        """
        state = self._start(*inputs)
        check_errors(state.errors)
        return state

    def whole(self, state: CompletionState) -> Completions:
        """Returns what all rows get."""
        return self._made(self._continue(state, _ALL))

    def pieces(self, state: CompletionState) -> Iterator[str]:
        """Yields the text of the first row as it comes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        sent = 0
        while True:
            made = self._made(state)
            is_last = bool(made.finish_reasons.numpy()[0])
            if is_last or self._pieces_are_final:
                text = made.completions_bytes.numpy()[0]
                if piece := decoder.decode(text[sent:], is_last):
                    yield piece
                sent = len(text)
            if is_last:
                return
            state = self._continue(state, 1)

    def _continue(self, state, max_steps):
        if self._advance is None:
            self._advance = tf.function(
                self._completer.advance,
                input_signature=(
                    self._state_spec(),
                    tf.TensorSpec([], tf.int32),
                ),
                autograph=False,
            )
        return self._advance(state, max_steps)

    def _made(self, state):
        if self._result is None:
            self._result = tf.function(
                self._completer.result,
                input_signature=(self._state_spec(),),
                autograph=False,
            )
        return self._result(state)

    def _state_spec(self):
        return tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
            self._start.get_concrete_function().structured_outputs,
        )


_ALL = 2**31 - 1  # steps


def check_errors(errors) -> None:
    """Raises ValueError with the first error of a batch, if there is one."""
    for error in errors.numpy():
        if error:
            raise ValueError(error.decode())

"""A connection, a prompt and settings come in, a text comes out in pieces.

What a text's next part needs is at the client between two calls: a server
that starts anew in between goes on where the other one stopped.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import NotFoundError
from gpt_keras.serving.model_connection import ModelConnection


class TextStream(Iterator[str]):
    """The pieces of one completion.

    By gRPC the signatures `prefill` and `step` send the model's state to and
    fro; by REST, or where the model lacks them, `generate` goes on from the
    text so far, which it reads again in each call.

    Args:
        connection: To the model.
        inputs: The prompt and all settings, one row.
        tokens_per_call: How many tokens are written in each call.
        timeout: Seconds for each call; None for the connection's.

    Attributes:
        finish_reason: Empty until the text has ended; then why.
        prompt_truncated: Whether only the end of the prompt fitted into the
            model; None before the first piece.
        seed: What gives the same completion again; None before the first.
        version: The model's version; None before the first.
        bytes_sent: Of states and continuations so far, to the server.
    """

    def __init__(
        self,
        connection: ModelConnection,
        inputs: Mapping[str, Any],
        tokens_per_call: int,
        timeout: float | None = None,
    ):
        self._connection = connection
        self._inputs = dict(inputs)
        self._steps = [tokens_per_call]
        self._timeout = timeout
        self._kept: Any = None
        self.finish_reason = ""
        self.prompt_truncated: bool | None = None
        self.seed: int | None = None
        self.version: int | None = None
        self.bytes_sent = 0

    def __next__(self) -> str:
        """Returns the next piece, which is not empty.

        Raises:
            CallError: A call was not answered, or the prompt or a setting
                breaks a rule. After one that passes, such as
                `UnavailableError`, the next piece may be asked for again.
        """
        while not self.finish_reason:
            answer = self._answer()
            if error := answer["error"][0]:
                raise InvalidRequestError("INVALID_ARGUMENT", error)
            self._kept = answer[self._kept_name]
            self.prompt_truncated = bool(answer["prompt_truncated"][0])
            self.seed = int(answer["seed_used"][0])
            self.finish_reason = answer["finish_reason"][0]
            if piece := answer["completions"][0]:
                return piece
        raise StopIteration

    def _answer(self):
        if self.version is None:
            self._begin()
        if self._kept is None:
            return self._call(self._first, self._inputs | self._extra)
        self.bytes_sent += len(self._kept[0])
        if self._first == "prefill":
            inputs = {"state_bytes": self._kept, "steps": self._steps}
            return self._call("step", inputs)
        extra = {"steps": self._steps, "continuation": self._kept}
        return self._call("generate", self._inputs | extra)

    def _begin(self):
        """Chooses the way, and the version for all calls."""
        metadata = self._connection.metadata(self._timeout)
        signatures = metadata.signatures
        if self._connection.sends_states and "prefill" in signatures:
            self._first, self._extra = "prefill", {}
            self._kept_name = "state_bytes"
        else:
            _check_continues(signatures)
            self._first, self._kept_name = "generate", "continuation"
            self._extra = {"steps": self._steps, "continuation": [""]}
        self.version = metadata.version

    def _call(self, signature, inputs):
        return self._connection.predict(
            signature, inputs, self._timeout, self.version
        )


def _check_continues(signatures) -> None:
    generate = signatures.get("generate")
    if generate is None or "continuation" not in generate.inputs:
        raise NotFoundError(
            "NOT_FOUND",
            "to stream, the model must have `prefill` and `step`, or "
            f"`generate` with `continuation`; it has {sorted(signatures)}",
        )

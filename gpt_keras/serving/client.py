"""A server's address and a model's name come in, its answers go out.

The server is TensorFlow Serving, or the local one, by REST or by gRPC. This
module and REST need the standard library and NumPy; gRPC imports TensorFlow,
whose messages it sends, when the client is made.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import overload

from gpt_keras.generation.setting_values import BEAM_DEFAULTS
from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.generation.setting_values import choice_rows
from gpt_keras.generation.setting_values import field_rows
from gpt_keras.generation.setting_values import setting_rows
from gpt_keras.generation.setting_values import signature_name
from gpt_keras.serving import client_rows
from gpt_keras.serving.client_inputs import id_rows
from gpt_keras.serving.client_inputs import like
from gpt_keras.serving.client_inputs import listed
from gpt_keras.serving.client_inputs import padded
from gpt_keras.serving.client_protocol import ModelMetadata
from gpt_keras.serving.client_protocol import ModelSpec
from gpt_keras.serving.client_protocol import VersionStatus
from gpt_keras.serving.client_retries import Retries
from gpt_keras.serving.client_stream import TextStream
from gpt_keras.serving.model_connection import ModelConnection

TIMEOUT = 60.0  # seconds
TOKENS_PER_CALL = 8  # of a stream
_WHOLE = {"steps": 0, "continuation": ""}  # a completion in one call
_COMPLETE = ("max_new_tokens", "temperature", "seed")  # what `complete` takes

_BEAM = {"max_new_tokens": DEFAULTS["max_new_tokens"], **BEAM_DEFAULTS}


class Client:
    """Asks a model that is served.

    It may be used by several threads at once, and keeps its connections.

    Args:
        server: `http://HOST:PORT` or `https://…` for REST, where a path
            before `/v1` may follow; `HOST:PORT` or `grpcs://HOST:PORT` for
            gRPC, the latter with a certificate.
        model_name: The model's name on the server.
        version: A version's number; None for the newest one.
        label: A version's label, such as `"stable"`, or None.
        timeout: Seconds that a call has, with all its retries, unless it says
            otherwise.
        retries: What is tried again.
        headers: Sent with each request, such as what a proxy wants to see.

    Raises:
        ValueError: An argument breaks its rule.

    Example:

    >>> with Client("http://localhost:8501", "mine") as client:
    ...     print(client.generate("Once", temperature=0.8, seed=1).text)
    ...     for piece in client.stream("Once", stop="\\n"):
    ...         print(piece, end="", flush=True)
    """

    def __init__(
        self,
        server: str,
        model_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008
        headers: Mapping[str, str] | None = None,
    ):
        spec = ModelSpec(model_name, version, label)
        self._connection = ModelConnection(
            server, spec, timeout, retries, headers or {}
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()

    @overload
    def generate(
        self, prompts: str | bytes, **settings
    ) -> client_rows.Completion: ...

    @overload
    def generate(
        self, prompts: Sequence[str | bytes], **settings
    ) -> list[client_rows.Completion]: ...

    def generate(
        self,
        prompts: str | bytes | Sequence[str | bytes],
        *,
        timeout: float | None = None,
        **settings,
    ) -> client_rows.Completion | list[client_rows.Completion]:
        """Completes one or several prompts, every setting at hand.

        Args:
            prompts: One text or several.
            timeout: Seconds; None for the client's.
            **settings: Fields of `GenerationSettings`, as for
                `TextGenerator.generate`; those not given have the defaults of
                Python, not those of the export.

        Returns:
            A `Completion` for one prompt, a list of them for several. A row
            that breaks a rule is empty and has its `error`.

        Raises:
            ValueError: A setting is unknown, is of another type, or has
                another number of values than there are prompts.
            CallError: The request was not answered.
        """
        texts = listed("prompts", prompts)
        inputs = {"prompts": texts, **setting_rows(len(texts), settings)}
        if not texts:
            return []
        whole = {name: [x] * len(texts) for name, x in _WHOLE.items()}
        columns = self._connection.predict(
            "generate", inputs, timeout, optional=whole
        )
        return like(prompts, client_rows.completions(texts, columns))

    def complete(
        self,
        prompts: str | bytes | Sequence[str | bytes],
        *,
        timeout: float | None = None,
        **settings,
    ) -> str | list[str]:
        """Completes one or several prompts, and gives the text alone.

        Args:
            prompts: One text or several.
            timeout: Seconds; None for the client's.
            **settings: None of them: all are the export's (the signature
                `serving_default`). Or of `max_new_tokens`, `temperature` and
                `seed` (`complete`), where those not given have the defaults
                of Python.

        Returns:
            A text for one prompt, a list of them for several; empty for a row
            that breaks a rule, which only `generate` names.

        Raises:
            ValueError: As `generate`.
            CallError: As `generate`.
        """
        texts = listed("prompts", prompts)
        if unknown := sorted(set(settings) - set(_COMPLETE)):
            raise ValueError(
                f"A setting of `complete` must be one of {list(_COMPLETE)}; "
                f"`generate` takes all. Received: {unknown}"
            )
        rows = setting_rows(len(texts), settings)
        inputs = {name: rows[name] for name in _COMPLETE if settings}
        if not texts:
            return []
        signature = "complete" if settings else "serving_default"
        columns = self._connection.predict(
            signature, {"prompts": texts, **inputs}, timeout
        )
        return like(prompts, columns["completions"])

    def beam(
        self,
        prompts: str | bytes | Sequence[str | bytes],
        *,
        beams=BEAM_DEFAULTS["num_beams"],
        length_penalty=BEAM_DEFAULTS["length_penalty"],
        max_new_tokens=DEFAULTS["max_new_tokens"],
        num_return: int = 1,
        timeout: float | None = None,
    ) -> client_rows.Beam | list[client_rows.Beam]:
        """Finds the likeliest completions of one or several prompts.

        Args:
            prompts: One text or several.
            beams: As for `TextGenerator.beam_search`, one value for all or
                one for each; at most what the export allows.
            length_penalty: The same.
            max_new_tokens: The same.
            num_return: The most hypotheses of each prompt.
            timeout: Seconds; None for the client's.

        Returns:
            A `Beam` for one prompt, a list of them for several. All other
            settings are the export's. A row that breaks a rule has no
            hypotheses and its `error`.

        Raises:
            ValueError: As `generate`, or `num_return` is below 1.
            CallError: As `generate`.
        """
        texts = listed("prompts", prompts)
        if isinstance(num_return, bool) or num_return < 1:
            raise ValueError(
                "`num_return` must be at least 1. Received: "
                f"num_return={num_return}"
            )
        given = {
            "max_new_tokens": max_new_tokens,
            "num_beams": beams,
            "length_penalty": length_penalty,
        }
        inputs = {"prompts": texts, **setting_rows(len(texts), given, _BEAM)}
        if not texts:
            return []
        columns = self._connection.predict("beam", inputs, timeout)
        return like(prompts, client_rows.beams(texts, columns, num_return))

    def stream(
        self,
        prompt: str | bytes,
        *,
        tokens_per_call: int = TOKENS_PER_CALL,
        timeout: float | None = None,
        **settings,
    ) -> TextStream:
        """Completes one prompt and gives the text as it comes.

        Args:
            prompt: The text.
            tokens_per_call: How many tokens the server writes in each call.
                By gRPC each takes the model's state there and back, see
                docs/clients.md.
            timeout: Seconds for each call; None for the client's.
            **settings: As for `generate`.

        Returns:
            An iterator of pieces, together the text that `generate` gives for
            the same seed. All calls go to the version that the first one
            found.

        Raises:
            ValueError: As `generate`; later, at a piece, `CallError`, for
                a row that breaks a rule too.
        """
        (text,) = listed("prompt", [prompt])
        if isinstance(tokens_per_call, bool) or tokens_per_call < 1:
            raise ValueError(
                "`tokens_per_call` must be at least 1. Received: "
                f"tokens_per_call={tokens_per_call}"
            )
        inputs = {"prompts": [text], **setting_rows(1, settings)}
        return TextStream(self._connection, inputs, tokens_per_call, timeout)

    def score(
        self,
        prompts: str | bytes | Sequence[str | bytes],
        texts: str | bytes | Sequence[str | bytes],
        *,
        timeout: float | None = None,
    ) -> client_rows.Score | list[client_rows.Score]:
        """Says how likely texts are after their prompts.

        Args:
            prompts: One text or several; empty for the beginning of a
                document.
            texts: As many.
            timeout: Seconds; None for the client's.

        Returns:
            A `Score` for one text, a list of them for several.

        Raises:
            ValueError: There are not as many texts as prompts.
            CallError: The request was not answered.
        """
        inputs = {
            "prompts": listed("prompts", prompts),
            "texts": listed("texts", texts),
        }
        if len(inputs["prompts"]) != len(inputs["texts"]):
            raise ValueError(
                "There must be one text for each prompt. Received: "
                f"{len(inputs['prompts'])} prompts, {len(inputs['texts'])} "
                "texts"
            )
        if not inputs["texts"]:
            return []
        columns = self._connection.predict("score", inputs, timeout)
        return like(texts, client_rows.scores(columns))

    def run_task(
        self,
        name: str,
        /,
        *,
        timeout: float | None = None,
        **fields,
    ) -> client_rows.Answer | list[client_rows.Answer]:
        """Asks for a task that the model was exported with.

        Args:
            name: Of the task, such as `translate`.
            timeout: Seconds; None for the client's.
            **fields: By name one text or several for each; of a conversation
                `messages`, one text or a list of them in turn, or a list of
                such lists.

        Returns:
            An `Answer` for one row, a list of them for several.

        Raises:
            ValueError: The model has no such task, or a field is missing,
                unknown or no text.
            CallError: The request was not answered.

        Example:

        >>> client.run_task("translate", source="A dog runs.").text
        """
        signature = signature_name(name)
        info = self.metadata(timeout=timeout).signatures.get(signature)
        if info is None:
            known = sorted(self.metadata(timeout=timeout).signatures)
            raise ValueError(
                f"A task must be one of the model's signatures, {known}. "
                f"Received: {name!r}"
            )
        turns = [*info.inputs] == ["messages"]
        inputs, is_one = field_rows(info.inputs, fields, turns)
        if not inputs or not next(iter(inputs.values())):
            return []
        columns = self._connection.predict(signature, inputs, timeout)
        rows = client_rows.answers(columns)
        return rows[0] if is_one else rows

    def choose(
        self,
        prompts: str | bytes | Sequence[str | bytes],
        choices: Sequence[str] | Sequence[Sequence[str]],
        *,
        per_token: bool = False,
        timeout: float | None = None,
    ) -> client_rows.Choice | list[client_rows.Choice]:
        """Finds the likeliest of several texts after each prompt.

        Args:
            prompts: One text or several.
            choices: Texts for all prompts, or a sequence of them for each.
            per_token: Whether they are compared by their log-probability per
                token.
            timeout: Seconds; None for the client's.

        Returns:
            A `Choice` for one prompt, a list of them for several.

        Raises:
            ValueError: The choices are no texts, or not as many lists of them
                as there are prompts.
            CallError: The request was not answered.
        """
        texts = listed("prompts", prompts)
        inputs = {
            "prompts": texts,
            "choices": choice_rows(len(texts), choices),
            "per_token": [bool(per_token)] * len(texts),
        }
        if not texts:
            return []
        columns = self._connection.predict("choose", inputs, timeout)
        return like(prompts, client_rows.choices(columns))

    def embed(
        self,
        texts: str | bytes | Sequence[str | bytes],
        *,
        normalize: bool = False,
        timeout: float | None = None,
    ) -> client_rows.Embedding | list[client_rows.Embedding]:
        """Gives a vector for each text.

        Args:
            texts: One text or several.
            normalize: Whether the vectors have the Euclidean length 1.
            timeout: Seconds; None for the client's.

        Returns:
            An `Embedding` for one text, a list of them for several.

        Raises:
            ValueError: They are no texts.
            CallError: The request was not answered.
        """
        rows = listed("texts", texts)
        if not rows:
            return []
        inputs = {"texts": rows, "normalize": [bool(normalize)] * len(rows)}
        columns = self._connection.predict("embed", inputs, timeout)
        return like(texts, client_rows.embeddings(columns))

    def tokenize(
        self,
        texts: str | bytes | Sequence[str | bytes],
        *,
        timeout: float | None = None,
    ) -> client_rows.Tokens | list[client_rows.Tokens]:
        """Cuts one or several texts into tokens; raises as `generate`."""
        rows = listed("texts", texts)
        if not rows:
            return []
        columns = self._connection.predict("tokenize", {"texts": rows}, timeout)
        return like(texts, client_rows.tokens(columns))

    def detokenize(
        self, token_ids, *, timeout: float | None = None
    ) -> client_rows.Text | list[client_rows.Text]:
        """Spells tokens.

        Args:
            token_ids: A sequence of integers, or one for each row.
            timeout: Seconds; None for the client's.

        Returns:
            A `Text` for one sequence, a list of them for several.

        Raises:
            ValueError: They are no integers.
            CallError: The request was not answered.
        """
        rows, is_one = id_rows(token_ids)
        if not rows:
            return []
        columns = self._connection.predict("detokenize", padded(rows), timeout)
        results = client_rows.texts(columns)
        return results[0] if is_one else results

    def logits(
        self, token_ids, *, timeout: float | None = None
    ) -> client_rows.Logits | list[client_rows.Logits]:
        """Returns the model's scores of every next token; see `detokenize`."""
        rows, is_one = id_rows(token_ids)
        if not rows:
            return []
        columns = self._connection.predict("logits", padded(rows), timeout)
        results = client_rows.logits(map(len, rows), columns)
        return results[0] if is_one else results

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Calls any signature.

        Args:
            signature: Its name.
            inputs: By name NumPy arrays or nested lists of numbers, texts and
                bytes, the rows of the batch first. They become what the
                server's metadata says.
            timeout: Seconds; None for the client's.

        Returns:
            By name, NumPy arrays of numbers, or lists of texts, of bytes
            where the output's name ends in `_bytes`.

        Raises:
            ValueError: An input is not what the metadata says.
            CallError: The request was not answered.
        """
        return self._connection.predict(signature, inputs, timeout)

    def status(self, *, timeout: float | None = None) -> list[VersionStatus]:
        """Returns the state of the model's versions, or of the one chosen.

        Raises:
            CallError: The request was not answered.
        """
        return self._connection.status(timeout)

    def metadata(self, *, timeout: float | None = None) -> ModelMetadata:
        """Returns the version that answers and its signatures.

        Raises:
            CallError: The request was not answered.
        """
        return self._connection.metadata(timeout)

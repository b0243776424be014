"""A prompt and settings come in, an answer comes out in pieces.

From a server, or from a model in a folder. Each source has `answer`, which
says whether the prompt was cut before it gives the first piece.
"""

from collections.abc import Iterator

from gpt_keras.serving.client import Client
from gpt_keras.serving.client_rows import Answer


class ServedModel:
    """A model on a server.

    Args:
        client: To it.
        tokens_per_call: Tokens between two pieces.
    """

    def __init__(self, client: Client, tokens_per_call: int):
        self._client = client
        self._tokens_per_call = tokens_per_call

    def answer(self, prompt: str, settings) -> tuple[bool, Iterator[str]]:
        """Returns whether the prompt was cut, and the pieces.

        Raises:
            ValueError: A setting breaks a rule.
            CallError: A call was not answered, or a setting breaks a rule.
        """
        stream = self._client.stream(
            prompt, tokens_per_call=self._tokens_per_call, **settings
        )
        first = next(stream, "")
        return bool(stream.prompt_truncated), _with_first(first, stream)


class ServedChat:
    """A model on a server that was exported with the task `chat`.

    Args:
        client: To it.
        settings: Those of the session, none of which was given.
    """

    def __init__(self, client: Client, settings):
        self._client = client
        self._settings = dict(settings)

    def answer(self, messages: list[str], settings):
        """Returns False, and the answer as one piece.

        The template drops the oldest messages where there is no room.

        Raises:
            ValueError: A setting was changed, or the row breaks a rule.
            CallError: The call was not answered.
        """
        if settings != self._settings:
            raise ValueError(
                "The settings of a served `chat` must be those of its export. "
                "Received: others"
            )
        answer = self._client.run_task("chat", messages=messages)
        assert isinstance(answer, Answer)  # of one conversation
        if answer.error:
            raise ValueError(answer.error)
        return False, iter([answer.text])


class LocalModel:
    """A model in a folder, or in any source that `tools.generate` reads.

    Args:
        model_dir: The source.
        best: The weights of the lowest validation loss.

    Raises:
        OSError: A file is missing or can't be read.
        ValueError: One is damaged.
    """

    def __init__(self, model_dir: str, best: bool):
        # Here: a chat with a server starts without TensorFlow.
        from gpt_keras.cli.model_source import read_model
        from gpt_keras.generation.text_generator import TextGenerator

        model, self._tokenizer = read_model(model_dir, best=best)
        self._max_length = model.max_length
        self._generator = TextGenerator(model, self._tokenizer)
        self._model = model

    def chat(self) -> "LocalChat | None":
        """Returns the source of a model that was trained on conversations."""
        from gpt_keras.generation.task_generator import TaskGenerator
        from gpt_keras.generation.tasks import make_task
        from gpt_keras.text.template import find_template

        template = find_template("chat")
        if not {*template.special_tokens} <= {*self._tokenizer.special_tokens}:
            return None
        task = make_task(template)
        return LocalChat(TaskGenerator(self._model, self._tokenizer, task))

    def answer(self, prompt: str, settings) -> tuple[bool, Iterator[str]]:
        """Returns whether the prompt is cut, and the pieces.

        They raise ValueError where a setting breaks a rule.
        """
        is_cut = len(self._tokenizer.encode(prompt)) >= self._max_length
        return is_cut, self._pieces(prompt, settings)

    def _pieces(self, prompt, settings):
        # A generator: what is never asked for is never computed.
        yield from self._generator.stream(prompt, **settings)


class LocalChat:
    """A model in a folder that was trained on conversations.

    Args:
        generator: A `TaskGenerator` of the task `chat`.
    """

    def __init__(self, generator):
        self._generator = generator

    def answer(self, messages: list[str], settings):
        """As `LocalModel.answer`; the template drops the oldest messages."""
        return False, self._generator.stream(settings, messages=messages)


def _with_first(first, rest):
    yield first
    yield from rest

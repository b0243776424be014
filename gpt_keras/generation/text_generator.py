"""A model, its tokenizer and prompts come in, completions come out as text."""

import codecs
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from gpt_keras.generation.decoding import FINISH_REASONS
from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import make_settings


@dataclass(frozen=True)
class GenerationResult:
    """What a model wrote after one prompt.

    Attributes:
        prompt: The prompt.
        text: The completion, without the prompt.
        token_ids: The completion's tokens.
        finish_reason: `"stop"` (the end-of-text token came), `"length"`
            (`max_new_tokens` were made) or `"max_length"` (prompt and
            completion fill the model).
        prompt_truncated: Whether only the end of the prompt fitted into the
            model.
    """

    prompt: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    prompt_truncated: bool


class TextGenerator:
    """Completes text with a model.

    Args:
        model: A `GPTModel`, or what has its `max_length`, `vocab_size`,
            `make_cache`, `hidden_states` and `logits`. Its weights are read
            anew at every call, so it may be trained in between.
        tokenizer: The tokenizer that the model was trained with.

    Raises:
        ValueError: The tokenizer has ids that the model doesn't know.

    Example:

    >>> generator = TextGenerator(model, tokenizer)
    >>> generator.generate("Once upon a time", temperature=0.8).text
    >>> generator.generate(["One", "Two"], seed=[1, 2], max_new_tokens=50)
    """

    def __init__(self, model, tokenizer):
        check_vocabulary(model, tokenizer)
        self._tokenizer = tokenizer
        self._decoder = Decoder(
            model, tokenizer.end_of_text_id, tokenizer.vocab_size
        )
        # Traced once: every shape in the signatures is open.
        self._start = tf.function(
            self._decoder.start,
            input_signature=(
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None], tf.int32),
                SETTINGS_SPEC,
            ),
        )
        self._advance = None

    def generate(
        self, prompts: str | Sequence[str], **settings
    ) -> GenerationResult | list[GenerationResult]:
        """Completes one or several prompts.

        Args:
            prompts: One text or several. Of a prompt that does not fit into
                the model the end is used.
            **settings: Fields of `GenerationSettings`: `max_new_tokens`,
                `temperature`, `top_k`, `top_p`, `seed`, `overflow`. Each is
                one value for all prompts or a sequence with one for each.
                One seed for all gives every prompt what it would get alone,
                so equal prompts get equal completions; for several
                completions of one prompt give several seeds.

        Returns:
            A `GenerationResult` for one prompt, a list of them for several.

        Raises:
            ValueError: A setting breaks its rule, or a prompt isn't text.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        values = make_settings(len(texts), **settings)
        if not texts:
            return []
        state = self._begin(texts, values)
        state = self._continue(state, values, _ALL)
        results = self._results(texts, state)
        return results[0] if isinstance(prompts, str) else results

    def stream(self, prompt: str, **settings) -> Iterator[str]:
        """Completes one prompt and yields the text as it comes.

        Args:
            prompt: As for `generate`.
            **settings: As for `generate`.

        Returns:
            An iterator of pieces that are never cut inside of a character;
            together they are what `generate` gives.

        Raises:
            ValueError: A setting breaks its rule, or the prompt isn't text.
        """
        values = make_settings(1, **settings)
        return self._pieces(self._begin([prompt], values), values)

    def _begin(self, texts, settings):
        """Returns the decoding state after the first token."""
        _check_texts(texts)
        prompts = self._tokenizer.encode_batch(texts)
        lengths = np.array([len(ids) for ids in prompts], np.int32)
        token_ids = np.zeros((len(prompts), lengths.max()), np.int32)
        for row, ids in zip(token_ids, prompts, strict=True):
            row[: len(ids)] = ids
        return self._start(token_ids, lengths, settings)

    def _continue(self, state, settings, max_steps):
        if self._advance is None:
            state_spec = tf.nest.map_structure(
                lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
                self._start.get_concrete_function().structured_outputs,
            )
            self._advance = tf.function(
                self._decoder.advance,
                input_signature=(
                    state_spec,
                    SETTINGS_SPEC,
                    tf.TensorSpec([], tf.int32),
                ),
            )
        return self._advance(state, settings, max_steps)

    def _results(self, texts, state):
        generated = self._decoder.result(state)
        columns = (tensor.numpy().tolist() for tensor in generated)
        return [
            GenerationResult(
                prompt=text,
                text=self._tokenizer.decode(token_ids[:length]),
                token_ids=tuple(token_ids[:length]),
                finish_reason=FINISH_REASONS[reason],
                prompt_truncated=truncated,
            )
            for text, token_ids, length, reason, truncated in zip(
                texts, *columns, strict=True
            )
        ]

    def _pieces(self, state, settings):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        sent = 0
        while True:
            generated = self._decoder.result(state)
            length = int(generated.lengths[0])
            is_last = int(generated.finish_reasons[0]) > 0
            utf8 = self._tokenizer.detokenize(
                generated.token_ids[:, sent:length], [length - sent]
            )
            if piece := decoder.decode(utf8.numpy()[0], is_last):
                yield piece
            if is_last:
                return
            sent = length
            state = self._continue(state, settings, 1)


_ALL = 2**31 - 1  # steps


def check_vocabulary(model, tokenizer):
    """Raises ValueError when the tokenizer has ids unknown to the model."""
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            "The tokenizer's vocabulary must not be larger than the model's. "
            f"Received: tokenizer.vocab_size={tokenizer.vocab_size}, "
            f"model.vocab_size={model.vocab_size}"
        )


def _check_texts(texts):
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                "`prompts` must be one string or several. Received: "
                f"{type(text).__name__} {text!r:.80}"
            )

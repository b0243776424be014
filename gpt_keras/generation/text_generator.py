"""A model, its tokenizer and prompts come in, completions come out as text."""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import overload

import numpy as np
import tensorflow as tf

from gpt_keras.generation.beam_completion import BeamCompleter
from gpt_keras.generation.beam_results import BeamResult
from gpt_keras.generation.beam_results import beam_results
from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.beam_settings import check_num_return
from gpt_keras.generation.beam_settings import make_beam_settings
from gpt_keras.generation.choosing import ChoiceResult
from gpt_keras.generation.choosing import choice_results
from gpt_keras.generation.choosing import choose
from gpt_keras.generation.compiled_completion import CompiledCompletion
from gpt_keras.generation.compiled_completion import check_errors
from gpt_keras.generation.drawn_seeds import with_host_seeds
from gpt_keras.generation.embedding import embed
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.setting_values import BEAM_DEFAULTS
from gpt_keras.generation.setting_values import choice_rows
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_completion import TextCompleter


@dataclass(frozen=True)
class GenerationResult:
    """What a model wrote after one prompt.

    Attributes:
        prompt: The prompt.
        text: The completion, without the prompt.
        token_ids: The completion's tokens; none if the policy redacted or
            refused the text.
        logprobs: The natural logarithm of each token's probability, before
            any setting.
        top_token_ids: The likeliest tokens at each place, the likeliest
            first.
        top_logprobs: Theirs.
        finish_reason: `"stop"` (the end-of-text token or a stop text came),
            `"length"` (`max_new_tokens` were made), `"max_length"` (prompt
            and completion fill the model), `"repetition"` or `"refused"` (the
            policy stepped in).
        prompt_truncated: Whether only the end of the prompt fitted into the
            model.
        seed: What gives the same completion again.
    """

    prompt: str
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    top_token_ids: tuple[tuple[int, ...], ...]
    top_logprobs: tuple[tuple[float, ...], ...]
    finish_reason: str
    prompt_truncated: bool
    seed: int


class TextGenerator:
    """Completes text with a model.

    Args:
        model: A `GPTModel`, or what has its `max_length`, `vocab_size`,
            `make_cache`, `hidden_states` and `logits`. Its weights are read
            anew at every call, so it may be trained in between.
        tokenizer: The tokenizer that the model was trained with.
        policy: What holds for every call.

    Raises:
        ValueError: The tokenizer has ids that the model doesn't know.

    Example:

    >>> generator = TextGenerator(model, tokenizer)
    >>> generator.generate("Once upon a time", temperature=0.8).text
    >>> generator.generate(["One", "Two"], seed=[1, 2], stop="\\n")
    """

    def __init__(self, model, tokenizer, policy: Policy = NO_POLICY):
        completer = TextCompleter(model, tokenizer, policy, details=True)
        # Traced once: every shape in the signatures is open.
        self._drawing = CompiledCompletion(
            completer,
            completer.start,
            (_TEXTS, SETTINGS_SPEC),
            not policy.hides_tokens,
        )
        self._search: Any = None
        self._choose: Any = None
        self._embed: Any = None
        self._parts = model, tokenizer, policy
        self._max_beams = policy.max_beams

    @overload
    def generate(self, prompts: str, **settings) -> GenerationResult: ...

    @overload
    def generate(
        self, prompts: Sequence[str], **settings
    ) -> list[GenerationResult]: ...

    def generate(
        self, prompts: str | Sequence[str], **settings
    ) -> GenerationResult | list[GenerationResult]:
        """Completes one or several prompts.

        Args:
            prompts: One text or several. Of a prompt that does not fit into
                the model the end is used.
            **settings: Fields of `GenerationSettings`. Each is one value for
                all prompts or a sequence with one for each; `stop` and
                `banned` are one text or several for all prompts, or a
                sequence of texts for each. One seed for all gives every
                prompt what it would get alone, so equal prompts get equal
                completions; for several completions of one prompt give
                several seeds, or -1 for one that is drawn.

        Returns:
            A `GenerationResult` for one prompt, a list of them for several.

        Raises:
            ValueError: A setting or prompt breaks its rule or the policy's.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        values = make_settings(len(texts), **settings)
        if not texts:
            return []
        made = self._drawing.whole(self._begin(texts, values))
        results = self._results(texts, made)
        return results[0] if isinstance(prompts, str) else results

    def stream(self, prompt: str, **settings) -> Iterator[str]:
        """Completes one prompt and yields the text as it comes.

        Args:
            prompt: As for `generate`.
            **settings: As for `generate`.

        Returns:
            An iterator of pieces that are never cut inside of a character and
            never hold a part of a stop text; together they are what
            `generate` gives. Where the policy may replace a text, it comes in
            one piece.

        Raises:
            ValueError: A setting or prompt breaks its rule or the policy's.
        """
        values = make_settings(1, **settings)
        return self._drawing.pieces(self._begin([prompt], values))

    def beam_search(
        self,
        prompts: str | Sequence[str],
        *,
        beams=BEAM_DEFAULTS["num_beams"],
        length_penalty=BEAM_DEFAULTS["length_penalty"],
        num_return: int = 1,
        **settings,
    ) -> BeamResult | list[BeamResult]:
        """Finds the likeliest completions of one or several prompts.

        Nothing is drawn. One beam is what `generate` writes with temperature
        0. A hypothesis ends where the model is full.

        Args:
            prompts: As for `generate`.
            beams: How many hypotheses are gone on with, one value for all
                prompts or one for each.
            length_penalty: From -10 to 10, the same: scores are
                log-probabilities divided by `((5 + length) / 6) **
                length_penalty`, where the length counts the token that ends
                the hypothesis. 0 compares log-probabilities, more is for
                longer hypotheses.
            num_return: The most hypotheses of each prompt, at most `beams`.
            **settings: Those of `USED_SETTINGS` in `beam_settings`, as for
                `generate`. Penalties change the log-probabilities that are
                summed.

        Returns:
            A `BeamResult` for one prompt, a list of them for several.

        Raises:
            ValueError: A setting or prompt breaks its rule or the policy's,
                or is of use for drawing only.

        Reference:
            Wu et al. 2016, Google's Neural Machine Translation System, §7.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        values, searching = make_beam_settings(
            len(texts), beams, length_penalty, self._max_beams, **settings
        )
        check_num_return(num_return, searching.num_beams)
        _check_texts(texts)
        if not texts:
            return []
        if self._search is None:
            self._search = tf.function(
                BeamCompleter(*self._parts).complete,
                input_signature=(_TEXTS, SETTINGS_SPEC, BEAM_SPEC),
                autograph=False,
            )
        found = self._search(tf.constant(texts, tf.string), values, searching)
        check_errors(found.errors)
        found = tf.nest.map_structure(lambda x: x.numpy().tolist(), found)
        results = beam_results(texts, found, num_return)
        return results[0] if isinstance(prompts, str) else results

    def choose(
        self,
        prompts: str | Sequence[str],
        choices: Sequence[str] | Sequence[Sequence[str]],
        *,
        per_token: bool = False,
    ) -> ChoiceResult | list[ChoiceResult]:
        """Finds the likeliest of several texts after each prompt.

        Args:
            prompts: One text or several.
            choices: Texts for all prompts, or a sequence of them for each.
                One that follows on a word begins with a space.
            per_token: Whether they are compared by their log-probability per
                token, so that long ones have no disadvantage.

        Returns:
            A `ChoiceResult` for one prompt, a list of them for several.

        Raises:
            ValueError: A prompt or choice breaks its rule.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        _check_texts(texts)
        rows = choice_rows(len(texts), choices)
        if not texts:
            return []
        if self._choose is None:
            model, tokenizer, policy = self._parts
            self._choose = tf.function(
                lambda prompts, choices, per_token: choose(
                    model, tokenizer, prompts, choices, per_token, policy
                ),
                input_signature=(_TEXTS, _TEXTS, _FLAGS),
                autograph=False,
            )
        made = self._choose(
            tf.constant(texts, tf.string),
            tf.constant(rows, tf.string),
            tf.fill([len(texts)], bool(per_token)),
        )
        check_errors(made.errors)
        results = choice_results(made)
        return results[0] if isinstance(prompts, str) else results

    def embed(
        self, texts: str | Sequence[str], *, normalize: bool = False
    ) -> np.ndarray:
        """Gives a vector for each text: the mean of the model's last states.

        Args:
            texts: One text or several. Of one that does not fit into the
                model the beginning is read.
            normalize: Whether the vectors get the Euclidean length 1.

        Returns:
            `(batch, d_model)` float32, or `(d_model,)` for one text.

        Raises:
            ValueError: A text breaks its rule.
        """
        rows = [texts] if isinstance(texts, str) else list(texts)
        _check_texts(rows)
        model, tokenizer, policy = self._parts
        if not rows:
            return np.zeros((0, model.d_model), np.float32)
        if self._embed is None:
            self._embed = tf.function(
                lambda texts, normalize: embed(
                    model, tokenizer, texts, normalize, policy
                ),
                input_signature=(_TEXTS, _FLAGS),
                autograph=False,
            )
        made = self._embed(
            tf.constant(rows, tf.string), tf.fill([len(rows)], bool(normalize))
        )
        check_errors(made.errors)
        vectors = made.embeddings.numpy()
        return vectors[0] if isinstance(texts, str) else vectors

    def _begin(self, texts, settings):
        """Returns the state before the first token."""
        _check_texts(texts)
        return self._drawing.start(
            tf.constant(texts, tf.string), with_host_seeds(settings)
        )

    def _results(self, texts, made):
        columns = tf.nest.map_structure(lambda x: x.numpy().tolist(), made)
        return [
            _result_of(prompt, columns, row) for row, prompt in enumerate(texts)
        ]


_TEXTS = tf.TensorSpec([None], tf.string)
_FLAGS = tf.TensorSpec([None], tf.bool)


def _result_of(prompt, columns, row):
    length = columns.lengths[row]
    details = [tuple(values[row][:length]) for values in columns.details]
    logprobs, top_token_ids, top_logprobs = details
    return GenerationResult(
        prompt=prompt,
        text=columns.completions[row].decode(),
        token_ids=tuple(columns.token_ids[row][:length]),
        logprobs=logprobs,
        top_token_ids=tuple(map(tuple, top_token_ids)),
        top_logprobs=tuple(map(tuple, top_logprobs)),
        finish_reason=columns.finish_reasons[row].decode(),
        prompt_truncated=columns.prompt_truncated[row],
        seed=columns.seeds[row],
    )


def _check_texts(texts):
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                "`prompts` must be one string or several. Received: "
                f"{type(text).__name__} {text!r:.80}"
            )

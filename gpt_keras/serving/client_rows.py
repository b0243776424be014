"""The columns that a signature gives come in, a result for each row goes out.

A row that broke a rule has its `error` and is empty; the others have none.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Completion:
    """What a served model wrote after one prompt; see `GenerationResult`.

    Attributes:
        prompt: The prompt.
        text: The completion, without the prompt.
        text_bytes: Its bytes as they were made, maybe not UTF-8.
        token_ids: Its tokens.
        logprobs: The natural logarithm of each token's probability, before
            any setting.
        top_token_ids: The likeliest tokens at each place.
        top_logprobs: Theirs.
        finish_reason: Why it ended; `"invalid"` for a row with an error.
        prompt_truncated: Whether only the end of the prompt fitted into the
            model.
        seed: What gives the same completion again.
        error: The rule that the row breaks and what came, or empty.
    """

    prompt: str | bytes
    text: str
    text_bytes: bytes
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    top_token_ids: tuple[tuple[int, ...], ...]
    top_logprobs: tuple[tuple[float, ...], ...]
    finish_reason: str
    prompt_truncated: bool
    seed: int
    error: str


@dataclass(frozen=True)
class Hypothesis:
    """One way to go on; see `generation.beam_results`.

    Attributes:
        text: The completion, without the prompt.
        text_bytes: Its bytes as they were made, maybe not UTF-8.
        token_ids: Its tokens.
        score: Its log-probability, divided by the length's penalty.
        total_logprob: The sum of its tokens' log-probabilities.
        finish_reason: Why it ended.
    """

    text: str
    text_bytes: bytes
    token_ids: tuple[int, ...]
    score: float
    total_logprob: float
    finish_reason: str


@dataclass(frozen=True)
class Beam:
    """What a served model found for one prompt.

    Attributes:
        prompt: The prompt.
        hypotheses: The best first; none of a row with an error.
        prompt_truncated: Whether only the end of the prompt fitted into the
            model.
        error: The rule that the row breaks and what came, or empty.
    """

    prompt: str | bytes
    hypotheses: tuple[Hypothesis, ...]
    prompt_truncated: bool
    error: str


@dataclass(frozen=True)
class Score:
    """How likely a model finds a text.

    Attributes:
        token_ids: The text's tokens.
        logprobs: The natural logarithm of each one's probability.
        total_logprob: Their sum.
        bits_per_byte: The negative sum in bits, by the text's bytes.
        error: The rule that the row breaks and what came, or empty.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    total_logprob: float
    bits_per_byte: float
    error: str


@dataclass(frozen=True)
class Answer:
    """What a served model answered to a task.

    Attributes:
        text: The answer.
        finish_reason: Why it ended; `"invalid"` for a row with an error.
        is_cut: Whether the template's field did not fit into the model.
        error: The rule that the row breaks and what came, or empty.
    """

    text: str
    finish_reason: str
    is_cut: bool
    error: str


@dataclass(frozen=True)
class Choice:
    """Which of a row's choices is the likeliest.

    Attributes:
        text: That choice.
        index: Its index; -1 for a row with an error.
        logprobs: The natural logarithm of each choice's probability.
        num_tokens: The tokens of each choice.
        error: The rule that the row breaks and what came, or empty.
    """

    text: str
    index: int
    logprobs: tuple[float, ...]
    num_tokens: tuple[int, ...]
    error: str


@dataclass(frozen=True)
class Embedding:
    """A text's vector.

    Attributes:
        vector: `(d_model,)` float32; zeros for a row with an error.
        num_tokens: The tokens that are in the mean.
        text_truncated: Whether only the beginning fitted into the model.
        error: The rule that the row breaks and what came, or empty.
    """

    vector: np.ndarray
    num_tokens: int
    text_truncated: bool
    error: str


@dataclass(frozen=True)
class Logits:
    """The model's scores of every next token.

    Attributes:
        logits: `(length, vocab_size)` float32.
        error: The rule that the row breaks and what came, or empty.
    """

    logits: np.ndarray
    error: str


@dataclass(frozen=True)
class Tokens:
    """A text's tokens.

    Attributes:
        token_ids: Them.
        error: The rule that the row breaks and what came, or empty.
    """

    token_ids: tuple[int, ...]
    error: str


@dataclass(frozen=True)
class Text:
    """What tokens spell.

    Attributes:
        text: As valid UTF-8.
        text_bytes: As the tokens spell it, maybe not UTF-8.
        error: The rule that the row breaks and what came, or empty.
    """

    text: str
    text_bytes: bytes
    error: str


def completions(prompts, columns: Mapping[str, Any]) -> list[Completion]:
    """Returns the rows of the signature `generate`."""
    return [
        Completion(
            prompt=prompt,
            text=row["completions"],
            text_bytes=row["completions_bytes"],
            token_ids=tuple(row["token_ids"]),
            logprobs=tuple(row["logprobs"]),
            top_token_ids=tuple(map(tuple, row["top_token_ids"])),
            top_logprobs=tuple(map(tuple, row["top_logprobs"])),
            finish_reason=row["finish_reason"],
            prompt_truncated=row["prompt_truncated"],
            seed=row["seed_used"],
            error=row["error"],
        )
        for prompt, row in zip(prompts, _rows(columns), strict=True)
    ]


def beams(prompts, columns: Mapping[str, Any], num_return: int) -> list[Beam]:
    """Returns the rows of the signature `beam`.

    Args:
        prompts: Of the rows.
        columns: What the signature gives.
        num_return: The most hypotheses of each row.
    """
    return [
        Beam(
            prompt=prompt,
            hypotheses=tuple(
                _hypothesis(row, beam)
                for beam in range(min(row["num_hypotheses"], num_return))
            ),
            prompt_truncated=row["prompt_truncated"],
            error=row["error"],
        )
        for prompt, row in zip(prompts, _rows(columns), strict=True)
    ]


def _hypothesis(row, beam):
    length = row["hypothesis_lengths"][beam]
    return Hypothesis(
        text=row["hypotheses"][beam],
        text_bytes=row["hypotheses_bytes"][beam],
        token_ids=tuple(row["hypothesis_ids"][beam][:length]),
        score=row["scores"][beam],
        total_logprob=row["total_logprobs"][beam],
        finish_reason=row["finish_reasons"][beam],
    )


def scores(columns: Mapping[str, Any]) -> list[Score]:
    """Returns the rows of the signature `score`."""
    return [
        Score(
            tuple(row["token_ids"]),
            tuple(row["logprobs"]),
            row["total_logprob"],
            row["bits_per_byte"],
            row["error"],
        )
        for row in _rows(columns)
    ]


def answers(columns: Mapping[str, Any]) -> list[Answer]:
    """Returns the rows of a task's signature."""
    return [
        Answer(
            row["completions"],
            row["finish_reason"],
            row["prompt_truncated"],
            row["error"],
        )
        for row in _rows(columns)
    ]


def choices(columns: Mapping[str, Any]) -> list[Choice]:
    """Returns the rows of the signature `choose`."""
    return [
        Choice(
            row["choice"],
            row["choice_index"],
            tuple(row["choice_logprobs"][: row["num_choices"]]),
            tuple(row["choice_lengths"][: row["num_choices"]]),
            row["error"],
        )
        for row in _rows(columns)
    ]


def embeddings(columns: Mapping[str, Any]) -> list[Embedding]:
    """Returns the rows of the signature `embed`."""
    vectors = np.asarray(columns["embeddings"], np.float32)
    return [
        Embedding(
            vector, row["num_tokens"], row["text_truncated"], row["error"]
        )
        for vector, row in zip(vectors, _rows(columns), strict=True)
    ]


def logits(lengths, columns: Mapping[str, Any]) -> list[Logits]:
    """Returns the rows of the signature `logits`; an invalid one is empty."""
    return [
        Logits(values[: 0 if error else length], error)
        for length, values, error in zip(
            lengths, columns["logits"], columns["error"], strict=True
        )
    ]


def tokens(columns: Mapping[str, Any]) -> list[Tokens]:
    """Returns the rows of the signature `tokenize`."""
    return [
        Tokens(tuple(row["token_ids"]), row["error"]) for row in _rows(columns)
    ]


def texts(columns: Mapping[str, Any]) -> list[Text]:
    """Returns the rows of the signature `detokenize`."""
    return [
        Text(row["texts"], row["texts_bytes"], row["error"])
        for row in _rows(columns)
    ]


def _rows(columns) -> Iterator[dict[str, Any]]:
    """Gives each row as Python has it, without its padding."""
    lists = {
        name: column if isinstance(column, list) else column.tolist()
        for name, column in columns.items()
    }
    lengths = lists.pop("lengths", None)
    for index in range(len(lists["error"])):
        row = {name: column[index] for name, column in lists.items()}
        if lengths is not None:
            row = {
                name: value[: lengths[index]]
                if isinstance(value, list)
                else value
                for name, value in row.items()
            }
        yield row

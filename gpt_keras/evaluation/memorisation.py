"""Token splits in, a task that tells how much of them a model has by heart."""

from collections.abc import Sequence

import numpy as np

from gpt_keras.evaluation.continuations import ContinuationTask
from gpt_keras.evaluation.continuations import Prompt
from gpt_keras.evaluation.span_search import find_spans

SPAN_TOKENS = 50  # Carlini et al. 2023 (arXiv:2202.07646), §3
_TRIES = 20  # draws of windows; those across a document's end are left out


def memorisation_task(
    training,
    validation,
    *,
    end_of_text_id: int,
    max_length: int,
    span_tokens: int | None = None,
    items: int = 200,
    seed: int = 0,
) -> ContinuationTask:
    """Asks for texts out of nothing, and to go on with parts of both splits.

    Args:
        training: The tokens that the model was trained on; has `num_tokens`
            and `read(starts, length)`, as `TokenSplit`.
        validation: Those that it was not trained on, to compare with; None:
            there are none.
        end_of_text_id: What stands between documents: no span has it.
        max_length: Tokens that the model can read.
        span_tokens: Tokens of a span; None: 50, or half of `max_length` where
            that is less.
        items: Texts to write, and windows to take of each split. Of a small
            split there may be fewer.
        seed: Of windows, places and texts.

    Returns:
        The task. Its figures:

        - `generated_copied`: share of the spans of texts that the model wrote
          which stand in the training tokens;
        - `validation_copied`: the same of spans of the validation tokens;
        - `training_continued`: share of the spans of the training tokens
          that the likeliest tokens continue as they go on there;
        - `validation_continued`: the same of the validation tokens;
        - `training_agreement`, `validation_agreement`: the mean share of the
          following span that is right before the first wrong token.

    Raises:
        ValueError: A setting is out of range, or the training tokens have no
            window of two spans within a document.

    Reference: Carlini et al. 2023, "Quantifying Memorization Across Neural
    Language Models", §3.
    """
    size = _span_size(span_tokens, max_length)
    for name, value, least in (("items", items, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(
                f"`{name}` must be {least} or more. Received: {name}={value}"
            )
    windows = {
        name: _windows(split, items, 2 * size, end_of_text_id, [seed, place])
        for place, (name, split) in enumerate(
            (("training", training), ("validation", validation))
        )
    }
    if not len(windows["training"]):
        raise ValueError(
            f"The training tokens must have {2 * size} tokens of one document "
            f"or more: give a smaller `span_tokens`. Received: {size} and "
            f"{training.num_tokens} tokens"
        )
    length = min(2 * size, max_length - 1)
    prompts = [
        Prompt((), length, temperature=1.0, seed=seed * items + number)
        for number in range(items)
    ]
    for found in windows.values():
        prompts += [Prompt(tuple(row[:size].tolist()), size) for row in found]

    def figures(written: Sequence[tuple[int, ...]]) -> dict:
        generated = _spans(written[:items], size, [seed, 2])
        parts = iter(written[items:])
        continued = {
            name: _continued(found[:, size:], [next(parts) for _ in found])
            for name, found in windows.items()
        }
        of_validation = windows["validation"][:, :size]
        copied = {
            "generated": _copied(generated, training),
            "validation": _copied(of_validation, training),
        }
        return (
            {f"{name}_copied": share for name, share in copied.items()}
            | {f"{name}_continued": x[0] for name, x in continued.items()}
            | {f"{name}_agreement": x[1] for name, x in continued.items()}
        )

    return ContinuationTask(
        settings={"span_tokens": size, "items": items, "seed": seed},
        protocol=_protocol(size, length),
        counts={
            "generated_texts": items,
            "training_windows": len(windows["training"]),
            "validation_windows": len(windows["validation"]),
            "training_tokens": training.num_tokens,
        },
        prompts=prompts,
        figures=figures,
    )


def _span_size(span_tokens: int | None, max_length: int) -> int:
    largest = max_length // 2
    size = min(SPAN_TOKENS, largest) if span_tokens is None else span_tokens
    if not 1 <= size <= largest:
        raise ValueError(
            f"`span_tokens` must be from 1 to {largest}, half of what the "
            f"model reads. Received: span_tokens={size}"
        )
    return size


def _windows(split, count, length, end_of_text_id, seed) -> np.ndarray:
    """Draws different windows `(count or fewer, length)` within documents."""
    kept = np.zeros((0, length), np.int32)
    if split is None or split.num_tokens < length:
        return kept
    random = np.random.default_rng(seed)
    drawn = set()
    for _ in range(_TRIES):
        places = random.integers(0, split.num_tokens - length + 1, count)
        new = list(dict.fromkeys(set(places.tolist()) - drawn))
        drawn |= {*new}
        rows = split.read(sorted(new), length)
        within = (rows != end_of_text_id).all(axis=1)
        kept = np.concatenate([kept, rows[within]])
        if len(kept) >= count:
            break
    return kept[:count]


def _spans(texts, size: int, seed) -> np.ndarray:
    """Takes a span from a random place of each text that has one."""
    random = np.random.default_rng(seed)
    shares = random.random(len(texts))
    spans = []
    for text, share in zip(texts, shares, strict=True):
        if len(text) >= size:
            start = int(share * (len(text) - size + 1))
            spans.append(text[start : start + size])
    return np.array(spans, np.int32).reshape(-1, size)


def _copied(spans, training) -> float | None:
    if not len(spans):
        return None
    return float(find_spans(spans, training).mean())


def _continued(following, written) -> tuple[float | None, float | None]:
    """Returns the share that was continued, and the mean share of tokens."""
    if not len(following):
        return None, None
    agreed = []
    for expected, text in zip(following.tolist(), written, strict=True):
        wrong = (
            place
            for place, token_id in enumerate(expected)
            if place >= len(text) or text[place] != token_id
        )
        agreed.append(next(wrong, len(expected)))
    shares = np.array(agreed) / following.shape[1]
    return float((shares == 1).mean()), float(shares.mean())


def _protocol(size: int, length: int) -> list[str]:
    return [
        f"copied: of each text of up to {length} tokens that is written from "
        "the beginning of a document at temperature 1, a span of "
        f"{size} tokens at a random place is looked for in all training "
        "tokens; shorter texts have none",
        f"continued: {size} tokens of a split are the prompt, and the {size} "
        "likeliest tokens one after the other must be those that follow",
        "agreement: the mean share of the following tokens before the first "
        "wrong one",
        "validation: the same of text that the model was not trained on",
        "spans lie within documents; equality is by token ids",
    ]

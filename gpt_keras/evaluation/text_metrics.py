"""Names of metrics, texts and references in, scores by name out."""

import functools
from collections.abc import Callable
from collections.abc import Sequence

from gpt_keras.config_rules import METRICS
from gpt_keras.evaluation import answer_scores
from gpt_keras.evaluation import diversity_scores
from gpt_keras.evaluation import summary_scores
from gpt_keras.evaluation import translation_scores
from gpt_keras.evaluation import verse_scores
from gpt_keras.evaluation.score import References
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_rows


def score_texts(
    metrics: Sequence[str],
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    stemmer: bool = False,
    num_samples: int = 0,
) -> dict[str, Score]:
    """Scores texts by several metrics.

    Args:
        metrics: Names, of `METRICS`.
        predictions: The texts.
        references: One or more of each; some metrics don't look at them.
        language: Of the texts, such as `en`, `de` or `zh`: what their words
            are.
        stemmer: For ROUGE of English texts.
        num_samples: Of the bootstrap for the intervals; 0: none.

    Returns:
        The scores by name, in the order of `metrics`.

    Raises:
        ValueError: A name is unknown or comes twice, there are no texts, or
            not as many rows of references.

    Example:

    >>> scores = score_texts(["bleu"], ["A dog runs."], [["A dog is running."]])
    >>> print(scores["bleu"].value, scores["bleu"].signature)
    """
    check_metrics(metrics)
    check_rows(predictions, references)
    found = {}
    for name in metrics:
        options = {"num_samples": num_samples}
        if name.startswith("rouge"):
            options["stemmer"] = stemmer
        elif name.startswith("distinct"):
            del options["num_samples"]
        rows = (predictions, references)
        if name.startswith(("distinct", "repetition", "regular")):
            rows = (predictions,)
        found[name] = _SCORES[name](*rows, language=language, **options)
    return found


def check_metrics(metrics: Sequence[str]) -> None:
    """Checks names.

    Raises:
        ValueError: There is none, one is unknown, or comes twice.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics or len(set(metrics)) < len(metrics):
        raise ValueError(
            f"Metrics must be of {', '.join(METRICS)}, each once. Received: "
            f"{', '.join(metrics) or 'none'}"
        )


_SCORES: dict[str, Callable[..., Score]] = {
    "bleu": translation_scores.bleu,
    "chrf": translation_scores.chrf,
    **{
        kind: functools.partial(summary_scores.rouge, kind=kind)
        for kind in summary_scores.KINDS
    },
    "exact_match": answer_scores.exact_match,
    "f1": answer_scores.f1,
    "accuracy": answer_scores.accuracy,
    "distinct1": functools.partial(diversity_scores.distinct, size=1),
    "distinct2": functools.partial(diversity_scores.distinct, size=2),
    "repetition4": functools.partial(diversity_scores.repetition, size=4),
    "regular_verse": verse_scores.regular_verse,
}

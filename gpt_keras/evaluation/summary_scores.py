"""Summaries and references in, ROUGE by rouge-score out."""

import importlib.metadata
import re

from rouge_score.rouge_scorer import RougeScorer

from gpt_keras.evaluation.bootstrap import SEED
from gpt_keras.evaluation.bootstrap import mean_interval
from gpt_keras.evaluation.score import References
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_rows
from gpt_keras.evaluation.text_units import is_chinese
from gpt_keras.evaluation.text_units import is_punctuation
from gpt_keras.evaluation.text_units import mixed_units

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_WORD = re.compile(r"\w+")


def rouge(
    predictions: Texts,
    references: References,
    *,
    kind: str,
    language: str = "en",
    stemmer: bool = False,
    num_samples: int = 0,
) -> Score:
    """Gives ROUGE: the mean over the rows.

    Args:
        predictions: Summaries.
        references: One or more of each; the one with the highest F counts.
        kind: `rouge1` and `rouge2` count words and pairs of words, `rougeL`
            the longest common subsequence of the whole texts, `rougeLsum` that
            of sentences, which line ends part.
        language: Of the summaries. English is cut by rouge-score, into words
            of a to z and 0 to 9 in lower case; `zh` by character; other
            languages into words of any letters in lower case.
        stemmer: Whether words without their endings are compared, by Porter's
            stemmer; English only.
        num_samples: Of the bootstrap for the interval; 0: none.

    Returns:
        F1; `precision` and `recall` are its parts.

    Raises:
        ValueError: As `check_rows`, the kind is unknown, or there is no
            stemmer for the language.

    Reference:
        Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.
    """
    check_rows(predictions, references)
    if kind not in KINDS:
        raise ValueError(
            f"`kind` must be one of {', '.join(KINDS)}. Received: {kind!r}"
        )
    tokenizer, cut = _tokenizer(language, stemmer)
    scorer = RougeScorer([kind], use_stemmer=stemmer, tokenizer=tokenizer)
    rows = [
        scorer.score_multi(list(targets), prediction)[kind]
        for prediction, targets in zip(predictions, references, strict=True)
    ]
    values = [100 * row.fmeasure for row in rows]
    signature = [
        kind,
        f"tok:{cut}",
        f"stem:{'porter' if stemmer else 'no'}",
        "refs:best",
        f"version:{importlib.metadata.version('rouge-score')}",
    ]
    if num_samples:
        signature.append(f"bs:{num_samples}|seed:{SEED}")
    return Score(
        _mean(values),
        "|".join(signature),
        mean_interval(values, num_samples) if num_samples else None,
        {
            "precision": _mean([100 * row.precision for row in rows]),
            "recall": _mean([100 * row.recall for row in rows]),
        },
    )


class _Units:
    """A tokenizer as rouge-score wants it."""

    def __init__(self, cut):
        self.tokenize = cut


def _tokenizer(language: str, stemmer: bool):
    """Returns a tokenizer, None for the library's own, and its name."""
    if language.split("-")[0] == "en":
        return None, "rouge"
    if stemmer:
        raise ValueError(
            "`stemmer` is for English. Received: stemmer=True, "
            f"language={language!r}"
        )
    if is_chinese(language):
        return _Units(_characters), "character"
    return _Units(lambda text: _WORD.findall(text.lower())), "word"


def _characters(text: str) -> list[str]:
    units = mixed_units(text.lower())
    return [unit for unit in units if not is_punctuation(unit[0])]


def _mean(values) -> float:
    return sum(values) / len(values)

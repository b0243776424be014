"""Answers and right answers in, exact match and F1 as SQuAD has them out."""

import collections
import re
import string

from gpt_keras.evaluation.bootstrap import SEED
from gpt_keras.evaluation.bootstrap import mean_interval
from gpt_keras.evaluation.score import References
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_rows
from gpt_keras.evaluation.text_units import is_chinese
from gpt_keras.evaluation.text_units import is_punctuation
from gpt_keras.evaluation.text_units import mixed_units

# Those that MLQA's scores leave out; `en` is SQuAD's.
_ARTICLES = {
    "en": "a an the",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "es": "un una unos unas el la los las",
}


def normalized(answer: str, language: str = "en") -> str:
    """Returns what is compared of an answer.

    It is in lower case, without punctuation, articles and needless white
    space. In English punctuation is ASCII's, as for SQuAD, in other languages
    all of Unicode's, as for MLQA. Chinese is cut by character, with a space
    between.

    Args:
        answer: Any text.
        language: Of the answer; one without known articles keeps all words.
    """
    language = language.split("-")[0]
    text = answer.lower()
    if language == "en":
        text = "".join(x for x in text if x not in string.punctuation)
    else:
        text = "".join(x for x in text if not is_punctuation(x))
    if articles := _ARTICLES.get(language):
        text = re.sub(rf"\b({'|'.join(articles.split())})\b", " ", text)
    return " ".join(_units(text, language))


def exact_match(
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives the share of answers that are, normalised, one of the right ones.

    Args:
        predictions: Answers; an empty one says that there is none.
        references: The right ones of each question; `("",)` where it can't be
            answered.
        language: Of the answers.
        num_samples: Of the bootstrap for the interval; 0: none.

    Returns:
        The share; where some questions can be answered and some can't, that
        of either are its parts `answerable` and `unanswerable`.

    Raises:
        ValueError: As `check_rows`.

    Reference:
        Rajpurkar et al. 2016, §6.1, and 2018; Lewis et al. 2020 (MLQA).
    """
    return _score("em", _equal, predictions, references, language, num_samples)


def f1(
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives the mean F1 of the words that answers share with the right ones.

    Of several right answers the one that gives most counts. An answer or a
    right answer that is empty, normalised, shares all with an empty one and
    nothing with any other, as in SQuAD 2.

    Args:
        predictions: As of `exact_match`.
        references: As of `exact_match`.
        language: As of `exact_match`.
        num_samples: As of `exact_match`.

    Returns:
        As `exact_match`.

    Raises:
        ValueError: As `check_rows`.
    """
    return _score(
        "f1", _overlap, predictions, references, language, num_samples
    )


def accuracy(
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives the share of texts that are one of the references.

    For choices and for tasks with one right text: nothing is normalised but
    white space at the ends.

    Args:
        predictions: The choices.
        references: The right ones of each.
        language: Of no account.
        num_samples: Of the bootstrap for the interval; 0: none.

    Raises:
        ValueError: As `check_rows`.
    """
    check_rows(predictions, references)
    values = [
        100.0 * (prediction.strip() in {text.strip() for text in texts})
        for prediction, texts in zip(predictions, references, strict=True)
    ]
    return _of_rows(values, "accuracy|case:mixed|norm:strip", num_samples)


def _score(name, compare, predictions, references, language, num_samples):
    check_rows(predictions, references)
    values, answerable = [], []
    for prediction, texts in zip(predictions, references, strict=True):
        given = normalized(prediction, language).split()
        right = [normalized(text, language).split() for text in texts]
        right = [units for units in right if units] or [[]]
        values.append(100.0 * max(compare(given, units) for units in right))
        answerable.append(bool(right[0]))
    signature = "|".join(
        [
            name,
            "norm:squad" if language.split("-")[0] == "en" else "norm:mlqa",
            f"lang:{language}",
            f"tok:{'character' if is_chinese(language) else 'space'}",
            "refs:best",
        ]
    )
    score = _of_rows(values, signature, num_samples)
    if len(set(answerable)) == 2:
        for part, wanted in (("answerable", True), ("unanswerable", False)):
            rows = zip(values, answerable, strict=True)
            score.parts[part] = _mean([x for x, has in rows if has == wanted])
    return score


def _equal(given: list[str], right: list[str]) -> float:
    return float(given == right)


def _overlap(given: list[str], right: list[str]) -> float:
    if not given or not right:
        return float(given == right)
    common = collections.Counter(given) & collections.Counter(right)
    # 2 P R / (P + R) with P = common / given and R = common / right
    return 2 * common.total() / (len(given) + len(right))


def _units(text: str, language: str) -> list[str]:
    return mixed_units(text) if is_chinese(language) else text.split()


def _of_rows(values, signature: str, num_samples: int) -> Score:
    if not num_samples:
        return Score(_mean(values), signature)
    signature += f"|bs:{num_samples}|seed:{SEED}"
    return Score(_mean(values), signature, mean_interval(values, num_samples))


def _mean(values) -> float:
    return sum(values) / len(values)

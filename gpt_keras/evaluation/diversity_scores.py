"""Texts in, how varied they are and how much they repeat themselves out."""

from gpt_keras.evaluation.bootstrap import SEED
from gpt_keras.evaluation.bootstrap import mean_interval
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_predictions
from gpt_keras.evaluation.text_units import is_chinese
from gpt_keras.evaluation.text_units import mixed_units


def distinct(predictions: Texts, *, size: int, language: str = "en") -> Score:
    """Gives distinct-n: different n-grams of all texts per word of theirs.

    It falls with the length of the texts: compare texts of about one length.
    There is no interval: rows drawn twice would have fewer different n-grams.

    Args:
        predictions: The texts.
        size: Words of an n-gram.
        language: Of the texts. Words stand between white space; of `zh` each
            character is one.

    Returns:
        The share; 0 for texts without a word.

    Raises:
        ValueError: There are no texts, or `size` is below 1.

    Reference:
        Li et al. 2016, A Diversity-Promoting Objective Function, §5.2.
    """
    check_predictions(predictions)
    rows = [_units(text, language) for text in predictions]
    different = {ngram for units in rows for ngram in _ngrams(units, size)}
    words = sum(map(len, rows))
    value = 100 * len(different) / words if words else 0.0
    return Score(value, _signature(f"distinct{size}", language))


def repetition(
    predictions: Texts,
    *,
    size: int,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives the share of n-grams that came before in the same text.

    It is the mean over the texts of 1 - different n-grams / n-grams, called
    seq-rep-n. A text without an n-gram repeats nothing: 0.

    Args:
        predictions: The texts.
        size: Words of an n-gram.
        language: As of `distinct`.
        num_samples: Of the bootstrap for the interval; 0: none.

    Raises:
        ValueError: As `distinct`.

    Reference:
        Welleck et al. 2020, Neural Text Generation with Unlikelihood Training,
        §6.
    """
    check_predictions(predictions)
    values = []
    for text in predictions:
        ngrams = _ngrams(_units(text, language), size)
        share = 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
        values.append(100 * share)
    signature = _signature(f"repetition{size}", language)
    interval = None
    if num_samples:
        signature += f"|bs:{num_samples}|seed:{SEED}"
        interval = mean_interval(values, num_samples)
    return Score(sum(values) / len(values), signature, interval)


def _ngrams(units: list[str], size: int) -> list[tuple[str, ...]]:
    if size < 1:
        raise ValueError(f"`size` must be positive. Received: size={size}")
    shifted = (units[start:] for start in range(size))
    return list(zip(*shifted, strict=False))


def _units(text: str, language: str) -> list[str]:
    return mixed_units(text) if is_chinese(language) else text.split()


def _signature(name: str, language: str) -> str:
    cut = "character" if is_chinese(language) else "space"
    return f"{name}|case:mixed|tok:{cut}"

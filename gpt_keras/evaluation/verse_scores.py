"""Chinese poems in, how many of them keep the form of regular verse out."""

from gpt_keras.evaluation.bootstrap import SEED
from gpt_keras.evaluation.bootstrap import mean_interval
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_predictions
from gpt_keras.evaluation.text_units import is_han
from gpt_keras.evaluation.text_units import is_punctuation

_LENGTHS = (5, 7)  # 五言, 七言


def regular_verse(
    predictions: Texts, *, language: str = "zh", num_samples: int = 0
) -> Score:
    """Gives the share of poems whose lines are all of five or all of seven.

    A line stands between marks of punctuation or white space, and is of
    Chinese characters. A poem has two lines or more.

    Args:
        predictions: The poems.
        language: Of no account.
        num_samples: Of the bootstrap for the interval; 0: none.

    Returns:
        The share in percent, also of five and of seven each.

    Raises:
        ValueError: There are no texts.
    """
    check_predictions(predictions)
    lengths = [line_length(text) for text in predictions]
    values = [100.0 * (length in _LENGTHS) for length in lengths]
    parts = {f"of {n}": 100 * lengths.count(n) / len(lengths) for n in _LENGTHS}
    signature, interval = "regular_verse|lines:2+|lengths:5,7", None
    if num_samples:
        signature += f"|bs:{num_samples}|seed:{SEED}"
        interval = mean_interval(values, num_samples)
    return Score(sum(values) / len(values), signature, interval, parts)


def line_length(text: str) -> int:
    """Returns the characters of a poem's lines; 0 where they differ, are not
    all Chinese, or are not two or more.
    """
    spaced = "".join(" " if is_punctuation(x) else x for x in text)
    lines = spaced.split()
    if len(lines) < 2 or len({*map(len, lines)}) != 1:
        return 0
    return len(lines[0]) if all(map(is_han, "".join(lines))) else 0

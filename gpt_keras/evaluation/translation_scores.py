"""Translations and references in, BLEU and chrF by sacreBLEU out.

Cased, and of texts as they are: without a detokenizer before.
"""

import dataclasses
import itertools

import numpy as np
from sacrebleu.metrics import BLEU
from sacrebleu.metrics import CHRF

from gpt_keras.evaluation.bootstrap import SEED
from gpt_keras.evaluation.bootstrap import interval
from gpt_keras.evaluation.score import References
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.score import Texts
from gpt_keras.evaluation.score import check_rows
from gpt_keras.evaluation.text_units import is_chinese


def bleu(
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives BLEU of a corpus.

    Args:
        predictions: Translations.
        references: One or more of each; rows may have unequal numbers.
        language: Of the translations. `zh` is cut by sacreBLEU's tokenizer
            `zh`, every other language by `13a`, that of WMT.
        num_samples: Of the bootstrap for the interval; 0: none.

    Returns:
        The score, with sacreBLEU's signature; the parts are the precisions of
        1- to 4-grams and the brevity penalty.

    Raises:
        ValueError: As `check_rows`.

    Reference:
        Papineni et al. 2002; Post 2018, A Call for Clarity in Reporting BLEU
        Scores.
    """
    # `force`: whether text looks tokenised is for its owner to say.
    metric = BLEU(tokenize="zh" if is_chinese(language) else "13a", force=True)
    found, score = _score(metric, predictions, references, num_samples)
    names = [f"precision{n}" for n in range(1, 5)]
    parts = dict(zip(names, found.precisions, strict=True))
    score.parts.update(parts, brevity_penalty=100 * found.bp)
    return score


def chrf(
    predictions: Texts,
    references: References,
    *,
    language: str = "en",
    num_samples: int = 0,
) -> Score:
    """Gives chrF2 of a corpus: F of character 1- to 6-grams.

    Args:
        predictions: As of `bleu`.
        references: As of `bleu`.
        language: Of no account: characters are those of any language.
        num_samples: As of `bleu`.

    Raises:
        ValueError: As `check_rows`.

    Reference:
        Popović 2015, chrF: character n-gram F-score.
    """
    return _score(CHRF(), predictions, references, num_samples)[1]


def _score(metric, predictions, references, num_samples):
    """Returns what sacreBLEU gives, and the same as a `Score`."""
    check_rows(predictions, references)
    streams = list(itertools.zip_longest(*references))  # None where a row ends
    found = metric.corpus_score(list(predictions), streams)
    score = Score(float(found.score), str(metric.get_signature()))
    if not num_samples:
        return found, score
    # The library's own resampling fails where a sample has no match at all.
    counts = np.array(metric._extract_corpus_statistics(predictions, streams))
    limits = interval(
        lambda rows: (
            metric._compute_score_from_stats(
                counts[rows].sum(axis=0).tolist()
            ).score
        ),
        len(predictions),
        num_samples,
    )
    signature = f"{score.signature}|bs:{num_samples}|seed:{SEED}"
    return found, dataclasses.replace(
        score, signature=signature, interval=limits
    )

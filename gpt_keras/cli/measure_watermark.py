"""Measures how well a watermark is found in a model's texts.

    python -m tools.measure_watermark --model_dir=runs/quickstart --key=1

It writes texts with and without the watermark and looks for it in both, as
someone does who has the text and not the tokens: the detection rate, the rate
of false positives, and the mean z-score of each. With --text, false positives
are counted in pieces of people's text too.
"""

import itertools
import statistics
from collections.abc import Iterator

from absl import flags

from gpt_keras.cli import detection
from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.data.sources import TextFiles
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import detect

BATCH_SIZE = 50


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    for name, default, meaning in (
        ("texts", 1000, "How many texts of each kind."),
        ("tokens", 200, "The most tokens of each."),
    ):
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=1, flag_values=values
        )
    flags.DEFINE_integer(
        "seed",
        0,
        "Of the first text; the next has the next.",
        flag_values=values,
    )
    flags.DEFINE_float("temperature", 1.0, "Of all texts.", flag_values=values)
    flags.DEFINE_float(
        "strength",
        Watermark.strength,
        "Added to the logits of the marked tokens.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "text",
        None,
        "Files with people's text: a path or glob, several with commas.",
        flag_values=values,
    )
    detection.define_flags(values)


def main(values):
    """Prints the rates, a line for each kind of text."""
    watermark = detection.watermark(values, strength=values.strength)
    model, tokenizer = read_model(values.model_dir, best=values.best)

    def written(policy):
        return _written(TextGenerator(model, tokenizer, policy), values)

    kinds = {
        "with the watermark": written(Policy(watermark=watermark)),
        "without": written(NO_POLICY),
    }
    if values.text is not None:
        kinds["of people"] = _pieces(tokenizer, values)
    for kind, texts in kinds.items():
        found = [detect(watermark, tokenizer.encode(text)) for text in texts]
        print(f"{kind}: {_summary(found, values)}", flush=True)


def _written(generator, values) -> Iterator[str]:
    """Yields texts that the model writes from nothing."""
    seeds = range(values.seed, values.seed + values.texts)
    for start in range(0, values.texts, BATCH_SIZE):
        batch = list(seeds[start : start + BATCH_SIZE])
        for result in generator.generate(
            [""] * len(batch),
            max_new_tokens=values.tokens,
            temperature=values.temperature,
            seed=batch,
            overflow="roll",
        ):
            yield result.text


def _pieces(tokenizer, values) -> Iterator[str]:
    """Yields pieces of the texts that were given, each of full length."""
    pieces = (
        tokenizer.decode(token_ids[start : start + values.tokens])
        for token_ids in map(
            tokenizer.encode, TextFiles(values.text).documents()
        )
        for start in range(0, len(token_ids) - values.tokens + 1, values.tokens)
    )
    return itertools.islice(pieces, values.texts)


def _summary(found, values) -> str:
    if not found:
        return "no text is long enough"
    hits = sum(detection.is_watermarked(one, values) for one in found)
    mean = statistics.fmean(one.z_score for one in found)
    counted = statistics.fmean(one.counted for one in found)
    return (
        f"{hits} of {len(found)} texts at z >= {values.threshold:g} "
        f"({hits / len(found):.2%}), mean z-score {mean:.2f}, "
        f"mean tokens {counted:.0f}"
    )


def run():
    """Runs the program."""
    program.run(define_flags, main)

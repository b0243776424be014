"""Pairs, a model and its tokenizer in, tasks of writing and a writer out."""

import itertools
from collections.abc import Callable
from collections.abc import Iterable

from gpt_keras.data.pair_columns import Example
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.evaluation.generation_suites import suite_of
from gpt_keras.evaluation.generation_task import GenerationExample
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.text_units import is_han
from gpt_keras.generation.id_prompts import IdPrompts
from gpt_keras.generation.id_prompts import id_prompt
from gpt_keras.generation.text_generator import TextGenerator

_CHINESE = 0.3  # share of a text's characters that makes it Chinese


def generation_task(
    examples: Iterable[Example],
    tokenizer,
    *,
    max_length: int,
    max_new_tokens: int | None = None,
    metrics: tuple[str, ...] = (),
    language: str = "",
    stemmer: bool = False,
    num_samples: int = 0,
    leave_out: bool = False,
) -> GenerationTask:
    """Makes the task of pairs with one template.

    Args:
        examples: The pairs.
        tokenizer: The model's, which has the template's special tokens.
        max_length: Tokens that the model can read.
        max_new_tokens: The most tokens of a text. None: as many as the suite
            has, and at most half of `max_length`.
        metrics: Names; none: those of the suite.
        language: Of the texts; empty: the target of a translation, else
            Chinese or English, as the references are.
        stemmer: For ROUGE.
        num_samples: Of the bootstrap for the intervals; 0: none.
        leave_out: Whether pairs whose prompt is too long with nothing left of
            what may be cut are left out, if others aren't.

    Raises:
        ValueError: There are no pairs, a special token is missing, or a prompt
            doesn't fit into the model.
    """
    examples = [_with_prompt(example) for example in examples]
    if not examples:
        raise ValueError("There must be one pair or more. Received: none")
    template = examples[0].template.name
    suite = GENERATION_SUITES[suite_of(template)]
    new_tokens = _new_tokens(max_new_tokens, suite, max_length)
    rows = _rows(examples, tokenizer, suite, max_length - new_tokens, leave_out)
    return GenerationTask(
        rows,
        metrics or suite.metrics,
        language or _language(template, rows),
        stemmer,
        num_samples,
        suite.baseline_name,
        {
            "template": template,
            "decoding": "greedy",
            "max_new_tokens": new_tokens,
        },
    )


def text_writer(model, tokenizer, max_new_tokens: int) -> Callable:
    """Returns what takes prompts of a task and gives the likeliest texts.

    Args:
        model: Its weights are read anew at every call.
        tokenizer: The model's.
        max_new_tokens: The most tokens of a text.
    """
    generator = TextGenerator(model, IdPrompts(tokenizer))

    def write(prompts):
        results = generator.generate(
            list(map(id_prompt, prompts)),
            temperature=0.0,
            max_new_tokens=max_new_tokens,
            seed=0,
        )
        return [result.text for result in results]

    return write


def _new_tokens(asked: int | None, suite, max_length: int) -> int:
    if asked is None:
        return max(1, min(suite.max_new_tokens, max_length // 2))
    if not 1 <= asked < max_length:
        raise ValueError(
            f"`max_new_tokens` must be from 1 to {max_length - 1}: a prompt "
            f"must fit before them. Received: max_new_tokens={asked}"
        )
    return asked


def _with_prompt(example: Example) -> Example:
    """Cuts a text to write in two: what it begins with, and how it goes on."""
    if example.template.name != "write":
        return example
    text = example.response
    spaces = [n for n, x in enumerate(text) if x.isspace()]
    middle = len(text) // 2
    place = min(spaces, key=lambda n: abs(n - middle), default=middle)
    return Example(
        example.where,
        example.template,
        {"prompt": text[:place]},
        (text[place:],),
    )


def _rows(examples, tokenizer, suite, max_tokens: int, leave_out: bool):
    rows: list[GenerationExample] = []
    error: ValueError | None = None
    for example in examples:
        try:
            rows.append(_example(example, tokenizer, suite, max_tokens))
        except ValueError as found:
            if not leave_out:
                raise
            error = error or found
    if error is not None and not rows:
        raise error
    return rows


def _example(example, tokenizer, suite, max_tokens) -> GenerationExample:
    try:
        prompt = example.template.encode(tokenizer, example.fields, max_tokens)
    except ValueError as error:
        raise ValueError(f"{example.where}: {error}") from error
    shown = {
        name: text if isinstance(text, str) else "\n".join(text)
        for name, text in example.fields.items()
    }
    baseline = suite.baseline and suite.baseline(shown[suite.field])
    return GenerationExample(
        prompt, example.references, shown, baseline, len(prompt)
    )


def _language(template: str, rows) -> str:
    if template.startswith("translate:"):
        return template.rpartition("-")[2]
    texts = itertools.chain.from_iterable(row.references for row in rows)
    marks = [is_han(x) for text in texts for x in text if not x.isspace()]
    return "zh" if marks and sum(marks) > _CHINESE * len(marks) else "en"

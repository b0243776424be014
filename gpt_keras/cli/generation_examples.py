"""Pairs, a model and its tokenizer in, tasks of writing and a writer out.

Texts are written as a served task writes them: by the same class.
"""

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gpt_keras.data.pair_columns import Example
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.evaluation.generation_suites import suite_of
from gpt_keras.evaluation.generation_task import GenerationExample
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.text_units import is_han
from gpt_keras.generation.task_generator import TaskGenerator
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.tasks import make_task
from gpt_keras.text.template import find_template

GREEDY: Mapping[str, Any] = MappingProxyType({"temperature": 0.0})
HALF = 0.5  # of a text to write
_CHINESE = 0.3  # share of a text's characters that makes it Chinese


def generation_task(
    examples: Iterable[Example],
    tokenizer,
    *,
    max_length: int,
    max_new_tokens: int | None = None,
    decoding: Mapping[str, Any] = MappingProxyType({}),
    seed: int = 0,
    prompt_share: float = HALF,
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
        decoding: As for `make_task`, without `max_new_tokens`: what is not
            given is as the task is served.
        seed: Of what is drawn for the first pair; one more for each other.
        prompt_share: Of a text to write, how much of it is its prompt; 0:
            nothing, and the whole text is drawn.
        metrics: Names; none: those of the suite.
        language: Of the texts; empty: the target of a translation, else
            Chinese or English, as the references are.
        stemmer: For ROUGE.
        num_samples: Of the bootstrap for the intervals; 0: none.
        leave_out: Whether pairs whose prompt is too long with nothing left of
            what may be cut are left out, if others aren't.

    Raises:
        ValueError: There are no pairs, a special token is missing, a prompt
            doesn't fit into the model, or a setting breaks its rule.
    """
    if not 0 <= prompt_share < 1:
        raise ValueError(
            "`prompt_share` must be 0 or lie between 0 and 1. Received: "
            f"prompt_share={prompt_share}"
        )
    examples = [_with_prompt(example, prompt_share) for example in examples]
    if not examples:
        raise ValueError("There must be one pair or more. Received: none")
    template = examples[0].template
    suite = GENERATION_SUITES[suite_of(template.name)]
    new_tokens = _new_tokens(max_new_tokens, suite, max_length)
    task = make_task(template, **decoding, max_new_tokens=new_tokens)
    # What a task leaves for its prompt.
    room = max_length - min(new_tokens, max_length // 2)
    rows = _rows(examples, tokenizer, suite, room, leave_out, seed)
    return GenerationTask(
        rows,
        metrics or suite.metrics,
        language or _language(template.name, rows),
        stemmer,
        num_samples,
        suite.baseline_name,
        {"template": template.name, "seed": seed, **task.decoding},
    )


def text_writer(model, tokenizer, settings: Mapping[str, Any]) -> Callable:
    """Returns what takes prompts of a task and gives texts.

    Args:
        model: Its weights are read anew at every call.
        tokenizer: The model's.
        settings: Of a `GenerationTask` of `generation_task`.
    """
    decoding = dict(settings)
    template = find_template(decoding.pop("template"))
    decoding.pop("seed")
    task = Task(template.name, template).with_settings(**decoding)
    generator = TaskGenerator(model, tokenizer, task)

    def write(prompts):
        columns = {
            name: [prompt["fields"][name] for prompt in prompts]
            for name in template.fields
        }
        seeds = [prompt["seed"] for prompt in prompts]
        drawn = None if task.beams else {"seed": seeds}
        results = generator.run(drawn, **columns)
        assert isinstance(results, list)  # the columns are
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


def _with_prompt(example: Example, share: float) -> Example:
    """Cuts a text to write in two: what it begins with, and how it goes on."""
    if example.template.name != "write":
        return example
    text = example.response
    spaces = [n for n, x in enumerate(text) if x.isspace()]
    place = int(share * len(text))
    if place:
        place = min(spaces, key=lambda n: abs(n - place), default=place)
    return Example(
        example.where,
        example.template,
        {"prompt": text[:place]},
        (text[place:],),
    )


def _rows(
    examples, tokenizer, suite, max_tokens: int, leave_out: bool, seed: int
):
    rows: list[GenerationExample] = []
    error: ValueError | None = None
    for example in examples:
        try:
            number = seed + len(rows)
            rows.append(_example(example, tokenizer, suite, max_tokens, number))
        except ValueError as found:
            if not leave_out:
                raise
            error = error or found
    if error is not None and not rows:
        raise error
    return rows


def _example(example, tokenizer, suite, max_tokens, seed) -> GenerationExample:
    try:
        token_ids = example.template.encode(
            tokenizer, example.fields, max_tokens
        )
    except ValueError as error:
        raise ValueError(f"{example.where}: {error}") from error
    shown = {
        name: text if isinstance(text, str) else "\n".join(text)
        for name, text in example.fields.items()
    }
    baseline = suite.baseline and suite.baseline(shown[suite.field])
    return GenerationExample(
        {"fields": example.fields, "seed": seed},
        example.references,
        shown,
        baseline,
        len(token_ids),
    )


def _language(template: str, rows) -> str:
    if template.startswith("translate:"):
        return template.rpartition("-")[2]
    texts = itertools.chain.from_iterable(row.references for row in rows)
    marks = [is_han(x) for text in texts for x in text if not x.isspace()]
    return "zh" if marks and sum(marks) > _CHINESE * len(marks) else "en"

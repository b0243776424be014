"""The configuration of a run in, what scores the texts of its model out."""

import collections

from gpt_keras.cli.generation_examples import GREEDY
from gpt_keras.cli.generation_examples import generation_task
from gpt_keras.cli.generation_examples import text_writer
from gpt_keras.cli.pair_data import pair_source
from gpt_keras.cli.pair_data import pair_split
from gpt_keras.config import TrainConfig
from gpt_keras.config_rules import VALIDATION_LOSS
from gpt_keras.data.pair_columns import Example
from gpt_keras.data.pairs import split_pairs
from gpt_keras.evaluation import examples_page
from gpt_keras.evaluation import generation_report
from gpt_keras.evaluation.generation_task import run_generation_task
from gpt_keras.training.generation_metrics import Measure
from gpt_keras.training.generation_metrics import Measurement


def make_measure(config: TrainConfig, tokenizer) -> Measure | None:
    """Returns what scores texts for held-out prompts; None: nothing does.

    The prompts are the first of the validation split, as many of each
    template, those that are too long left out. With several templates a
    metric is the mean over them, and that of each is called
    `METRIC/TEMPLATE`.

    Args:
        config: Its `metrics_every` and what goes with it.
        tokenizer: Of the run.

    Raises:
        ValueError: There are no pairs for validation, they can't be made into
            prompts, or `keep_best_by` is none of the metrics.
        OSError: A file can't be read.
    """
    if not config.metrics_every:
        return None
    tasks = _tasks(config, tokenizer)
    writers = {}

    def measure(model, should_stop):
        results = []
        for name, task in tasks:
            if name not in writers:
                writers[name] = text_writer(model, tokenizer, task.settings)
            result = run_generation_task(
                task, writers[name], should_stop=should_stop
            )
            if result is None:
                return None
            results.append((name, task, result))
        return _measurement(results)

    return measure


def _tasks(config: TrainConfig, tokenizer) -> list:
    """Returns the task of each template with the template's name."""
    metrics = tuple(filter(None, config.metrics.split(",")))
    tasks = [
        (
            name,
            generation_task(
                examples,
                tokenizer,
                max_length=config.max_length,
                max_new_tokens=max(
                    1, min(config.metrics_tokens, config.max_length // 2)
                ),
                decoding=GREEDY,
                metrics=metrics,
                leave_out=True,
            ),
        )
        for name, examples in _held_out(config).items()
    ]
    common = set.intersection(*(set(task.metrics) for _, task in tasks))
    if config.keep_best_by not in {*common, VALIDATION_LOSS}:
        raise ValueError(
            "`keep_best_by` must be a metric of every template: "
            f"{', '.join(sorted(common)) or 'there is none'}. Received: "
            f"keep_best_by={config.keep_best_by!r}"
        )
    return tasks


def _held_out(config: TrainConfig) -> dict[str, list[Example]]:
    """Returns pairs for validation by the names of their templates."""
    source = pair_source(config)
    if source is None:
        raise ValueError(
            "`metrics_every` needs prompts with references: give `pairs`, or "
            "`tfds` with `template`. Received: neither"
        )
    splits = split_pairs(source, pair_split(config))
    if "validation" not in splits:
        raise ValueError(
            "`metrics_every` needs pairs for validation. Received: "
            f"metrics_every={config.metrics_every}, validation_pairs=0, "
            "validation_fraction=0"
        )
    found: dict[str, list[Example]] = collections.defaultdict(list)
    wanted = config.metrics_examples * len(source.templates)
    for example in splits["validation"].examples():
        examples = found[example.template.name]
        if len(examples) < config.metrics_examples:
            examples.append(example)
        if sum(map(len, found.values())) == wanted:
            break
    return found


def _measurement(results) -> Measurement:
    by_metric = collections.defaultdict(dict)
    for name, _, result in results:
        for metric, score in result.scores.items():
            by_metric[metric][name] = score.value
    figures = {}
    for metric, values in by_metric.items():
        figures[metric] = sum(values.values()) / len(values)
        if len(values) > 1:
            figures |= {f"{metric}/{name}": x for name, x in values.items()}
    tables = [
        f"**{name}**\n\n{generation_report.to_markdown(task, result)}"
        for name, task, result in results
    ]
    return Measurement(
        figures,
        sum(len(result.predictions) for _, _, result in results),
        "\n\n".join(tables),
        examples_page.to_html("Examples", results),
    )

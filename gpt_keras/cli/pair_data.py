"""A configuration in, the pairs that it names and what to learn of them out."""

from gpt_keras.config import TrainConfig
from gpt_keras.data.pair_records import PairDataset
from gpt_keras.data.pair_records import PairFiles
from gpt_keras.data.pair_records import RecordSource
from gpt_keras.data.pairs import PairSource
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.synthetic_tasks import PREFIX
from gpt_keras.data.synthetic_tasks import SyntheticPairs
from gpt_keras.text.template import Template
from gpt_keras.text.template import find_template
from gpt_keras.text.template_parts import RESPONSE


def pair_source(config: TrainConfig) -> PairSource | None:
    """Returns the pairs of a configuration; None where it names other text.

    Raises:
        ValueError: There is no such template, the form or the columns are
            wrong, or a template is given without pairs.
    """
    records: RecordSource
    validation: RecordSource | None = None
    if config.tfds and config.template:
        records = _dataset(config)
    elif config.pairs:
        records = _files(config, config.pairs)
        if config.validation_files:
            validation = _files(config, config.validation_files)
    elif config.template and not config.tokens:
        raise ValueError(
            "`template` needs prompts with responses: give `pairs`, `tfds` or "
            f"`tokens`. Received: template={config.template!r} alone."
        )
    else:
        return None
    return PairSource(
        records,
        _templates((config.template or "pair").split(",")),
        config.max_length,
        validation,
        config.response_pattern,
    )


def pair_split(config: TrainConfig) -> PairSplit:
    """Returns which pairs are kept for validation."""
    return PairSplit(
        config.validation_fraction,
        config.validation_pairs,
        config.hold_out_by,
        config.seed,
    )


def learns_responses(config: TrainConfig, names) -> bool:
    """Returns whether the loss of a run is on responses alone.

    Args:
        config: Its `loss_on` counts, and its `batching`.
        names: Of the templates; none where the text isn't pairs.

    Raises:
        ValueError: The loss is to be on responses where there are none, or
            where windows cut them anywhere.
    """
    templates = _templates(names)
    have_response = [RESPONSE in template.prompt for template in templates]
    if config.loss_on == "response" and not (templates and all(have_response)):
        raise ValueError(
            "`loss_on` must be all where text has no marks of responses. "
            "Received: loss_on='response', templates "
            f"{', '.join(names) or 'none'}"
        )
    if config.loss_on == "all" or not any(have_response):
        return False
    if not all(have_response):
        raise ValueError(
            "Templates must all have a response or none, or `loss_on` be all. "
            f"Received: {', '.join(names)}"
        )
    if config.batching == "packed":
        raise ValueError(
            "`batching` must be best_fit or length_buckets for prompts with "
            "responses: windows would cut them anywhere. Received: "
            "batching='packed'. With `loss_on='all'` it may be."
        )
    return True


def left_out_lines(manifest: dict) -> list[str]:
    """Says how many pairs of a store are left out, a line a split."""
    return [
        f"{name}: {split['left_out']:,} of "
        f"{split['left_out'] + split['documents']:,} pairs left out, which "
        f"are longer than {manifest['settings']['max_tokens']:,} tokens "
        "with nothing left of what may be cut"
        for name, split in manifest["splits"].items()
        if split.get("left_out")
    ]


def _templates(names) -> tuple[Template, ...]:
    return tuple(find_template(name.strip()) for name in names)


def _columns(config: TrainConfig) -> tuple[str, ...]:
    if not config.pair_columns:
        return ()
    return tuple(name.strip() for name in config.pair_columns.split(","))


def _files(config: TrainConfig, pattern: str) -> PairFiles | SyntheticPairs:
    if pattern.startswith(PREFIX):
        return SyntheticPairs(pattern.removeprefix(PREFIX), seed=config.seed)
    return PairFiles(pattern, config.pair_form, _columns(config), config.errors)


def _dataset(config: TrainConfig) -> PairDataset:
    return PairDataset(config.tfds, config.tfds_split, errors=config.errors)

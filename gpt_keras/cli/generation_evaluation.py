"""Flags of pairs in, what a model writes for them and its scores out."""

import itertools
import json

from absl import flags

from gpt_keras.cli import beams
from gpt_keras.cli import memorisation
from gpt_keras.cli import sampling
from gpt_keras.cli.generation_examples import HALF
from gpt_keras.cli.generation_examples import generation_task
from gpt_keras.cli.generation_examples import text_writer
from gpt_keras.cli.model_source import read_model
from gpt_keras.cli.pair_data import pair_source
from gpt_keras.cli.pair_data import pair_split
from gpt_keras.data.pair_columns import make_example
from gpt_keras.data.pair_records import PairDataset
from gpt_keras.data.pair_records import PairFiles
from gpt_keras.data.pairs import split_pairs
from gpt_keras.data.synthetic_tasks import PREFIX
from gpt_keras.data.synthetic_tasks import SyntheticPairs
from gpt_keras.evaluation import examples_page
from gpt_keras.evaluation import generation_report
from gpt_keras.evaluation import identity
from gpt_keras.evaluation.bootstrap import NUM_SAMPLES
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.evaluation.generation_suites import suite_of
from gpt_keras.evaluation.generation_task import BATCH_SIZE
from gpt_keras.evaluation.generation_task import run_generation_task
from gpt_keras.evaluation.text_metrics import check_metrics
from gpt_keras.files import write_atomically
from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.text.template import find_template
from gpt_keras.training.model_folder import training_config

_TEXTS = (
    ("pairs", "", "Files of prompts with references, as of tools.train."),
    ("pair_form", "", "jsonl, json, tsv or parallel; by itself by the names."),
    ("pair_columns", "", "Names of columns, separated by commas."),
    ("template", "", "Of the prompts, as translate:zh-en; by itself the "
     "suite's."),
    ("language", "", "Of what is written: what its words are. By itself the "
     "target of a translation, else Chinese or English, as the references."),
    ("metrics", "", "Names, separated by commas; by itself the suite's."),
    ("html", "", "File for a page with all examples."),
    ("answer_from", "", "Every answer is a part of this field: context."),
)  # fmt: skip
_NUMBERS = (
    ("max_examples", 0, "The first pairs only; 0: all."),
    ("max_new_tokens", None, "The most tokens of a text; by itself the "
     "suite's."),
    ("seed", 0, "Of what is drawn for the first text, one more for each "
     "other; of `memorisation`, of windows and texts."),
    ("batch_size", BATCH_SIZE, "Prompts that are read at once."),
    ("bootstrap", NUM_SAMPLES, "Samples for the intervals; 0: none."),
)  # fmt: skip
# What only other suites have.
_OF_TEXT = ("text", "detokenizer", "stride", "max_length")
# Settings whose flags are among those above.
_NO_SAMPLING_FLAG = ("max_new_tokens", "seed")
_DECODING = tuple(name for name in DEFAULTS if name not in _NO_SAMPLING_FLAG)
_BEAMS = ("beams", "length_penalty")
_OWN = (
    *(name for name, _, _ in _TEXTS + _NUMBERS if name != "seed"),
    *("held_out", "prompt_share", "stemmer"),
    *_DECODING,
    *_BEAMS,
)


def define_flags(values) -> None:
    """Defines the flags of prompts, of what is written and of its scores."""
    for name, default, meaning in _TEXTS:
        flags.DEFINE_string(name, default, meaning, flag_values=values)
    for name, default, meaning in _NUMBERS:
        flags.DEFINE_integer(
            name,
            default,
            meaning,
            lower_bound=0 if default is not None else 1,
            flag_values=values,
        )
    for name, meaning in (
        (
            "held_out",
            "Instead of --pairs: those that the training of the model kept "
            "for validation.",
        ),
        ("stemmer", "Compare English words without their endings, for ROUGE."),
    ):
        flags.DEFINE_boolean(name, False, meaning, flag_values=values)
    flags.DEFINE_float(
        "prompt_share",
        HALF,
        "Of `write`: how much of a text is the prompt; 0: nothing, whole texts "
        "are drawn.",
        flag_values=values,
    )
    sampling.define_flags(values, _NO_SAMPLING_FLAG)
    beams.define_search(values)


def check_flags(values) -> None:
    """Checks that no flag is given that another kind of suite has.

    Raises:
        ValueError: One is.
    """
    is_generated = values.suite in GENERATION_SUITES
    names = _OF_TEXT if is_generated else _OWN
    if values.suite not in {*GENERATION_SUITES, memorisation.SUITE}:
        names += ("seed",)
    if values.suite != "write":
        names += ("prompt_share",)
    given = [name for name in names if not values[name].using_default_value]
    if given:
        raise ValueError(
            f"`{given[0]}` is not for this suite. Received: {given[0]}="
            f"{values[given[0]].value}, suite={values.suite}"
        )


class GenerationEvaluation:
    """An evaluation by the flags: what is read, run and told.

    Args:
        values: The flags.

    Raises:
        ValueError: A flag is wrong, or a pair is not as it must be.
        OSError: A file can't be read.
    """

    unit = "texts"

    def __init__(self, values):
        self._values = values
        template = _template(values)
        metrics = tuple(filter(None, values.metrics.split(",")))
        if metrics:
            check_metrics(metrics)
        self._source, found = _examples(values, template)
        examples = list(itertools.islice(found, values.max_examples or None))
        self._model, self._tokenizer = read_model(
            values.model_dir, best=values.best
        )
        self._task = generation_task(
            examples,
            self._tokenizer,
            max_length=self._model.max_length,
            max_new_tokens=values.max_new_tokens,
            decoding=_decoding(values),
            seed=values.seed,
            prompt_share=values.prompt_share,
            leave_out=values.held_out,
            metrics=metrics,
            language=values.language,
            stemmer=values.stemmer,
            num_samples=values.bootstrap,
        )
        self._facts = {
            "model": identity.model_identity(self._model),
            "tokenizer": identity.tokenizer_identity(self._tokenizer),
        }

    def run(self, partial_file, progress):
        """Returns the result; see `run_generation_task`."""
        model, tokenizer = self._facts["model"], self._facts["tokenizer"]
        return run_generation_task(
            self._task,
            text_writer(self._model, self._tokenizer, self._task.settings),
            batch_size=self._values.batch_size,
            partial_file=partial_file,
            identity={
                "the model's weights": model["weights_sha256"],
                "the model's configuration": json.dumps(model["config"]),
                "the tokenizer": tokenizer["fingerprint"],
            },
            progress=progress,
        )

    def tell(self, result) -> tuple[dict, str]:
        """Returns what to keep of a result, and what to print."""
        suite, task = self._values.suite, self._task
        if self._values.html:
            page = examples_page.to_html(suite, [(suite, task, result)])
            write_atomically(self._values.html, page)
        facts = {"source": self._source, **self._facts}
        return (
            generation_report.to_json(suite, task, result, facts),
            generation_report.to_text(suite, task, result),
        )


def _template(values):
    suite = values.suite
    template = find_template(
        values.template or GENERATION_SUITES[suite].template
    )
    if suite_of(template.name) != suite:
        raise ValueError(
            f"`template` must be one of the suite {suite!r}. Received: "
            f"template={template.name!r}"
        )
    return template


def _decoding(values) -> dict:
    """Returns how the flags say that texts are made; what is not given is as
    the task is served.
    """
    given = {
        name: values[name].value
        for name in (*_DECODING, *_BEAMS)
        if values[name].present
    }
    if values.answer_from:
        given["answer_from"] = values.answer_from
    return given


def _examples(values, template):
    """Returns where the pairs come from, and an iterator over them."""
    if not values.held_out:
        records = _records(values)
        found = (make_example(x, template) for x in records.records())
        return records.description, found
    given = [x for x in ("pairs", "tfds") if values[x].present]
    config = training_config(values.model_dir)
    source = pair_source(config)
    if given or source is None:
        raise ValueError(
            "`held_out` must be without `pairs` or `tfds`, and of a model that "
            f"was trained on them. Received: {given or 'a model of other text'}"
        )
    splits = split_pairs(source, pair_split(config))
    if "validation" not in splits:
        raise ValueError(
            "`held_out` must be of a model whose training kept pairs for "
            f"validation. Received: {values.model_dir!r}"
        )
    found = (
        example
        for example in splits["validation"].examples()
        if example.template.name == template.name
    )
    return {**source.description, "split": "validation"}, found


def _records(values):
    if bool(values.pairs) == (values.tfds is not None):
        raise ValueError(
            "Either `pairs`, `tfds` or `held_out` must be given. Received: "
            f"{'both' if values.pairs else 'neither'}"
        )
    if values.tfds is not None:
        return PairDataset(values.tfds, values.tfds_split, errors=values.errors)
    if values.pairs.startswith(PREFIX):
        return SyntheticPairs(values.pairs.removeprefix(PREFIX))
    columns = tuple(filter(None, values.pair_columns.split(",")))
    return PairFiles(values.pairs, values.pair_form, columns, values.errors)

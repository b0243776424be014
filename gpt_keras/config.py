"""Every setting of a training run, each with its default.

A default value stands here once: flags are derived from `TrainConfig`, and a
model option that is None is left to `GPTModel`.
"""

import dataclasses
from typing import Any

from absl import flags as absl_flags

from gpt_keras import flags
from gpt_keras.config_rules import check_config
from gpt_keras.step_options import StepOptions


def _field(default, help: str, may_change: bool = False):
    """A field; `may_change` marks those that don't steer what is learned."""
    metadata = {"help": help, "may_change": may_change}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run; each one is a flag of `tools.train`."""

    # Data
    text: str = _field(
        "",
        "Glob of text files, several separated by commas. Empty: the language "
        "reference that every Python carries.",
        may_change=True,  # the token store compares the files themselves
    )
    tokens: str = _field(
        "",
        "Folder that `tools.prepare` made, instead of --text; several are "
        "mixed: FOLDER=WEIGHT,FOLDER=WEIGHT, or by size without weights.",
        may_change=True,  # the model folder compares the tokens themselves
    )
    errors: str = _field(
        "strict",
        "`strict` refuses bytes that are not UTF-8, `replace` doesn't.",
    )
    tfds: str = _field(
        "",
        "Name of a TensorFlow dataset, instead of --text; with --template, "
        "instead of --pairs.",
    )
    tfds_split: str = _field("train", "Split of the TensorFlow dataset.")
    tfds_field: str = _field("", "Text field; empty: its only one.")
    pairs: str = _field(
        "",
        "Glob of files of prompts with responses, instead of --text: .jsonl, "
        ".json, .tsv, or parallel files as train.en,train.de; or "
        "synthetic:copy, reverse, look_up or first_sentence.",
        may_change=True,  # the token store compares the files themselves
    )
    pair_form: str = _field(
        "", "jsonl, json, tsv or parallel; empty: by the files' endings."
    )
    pair_columns: str = _field(
        "",
        "Names of the columns of .tsv or parallel files in their order, "
        "separated by commas; one without a name is left out.",
    )
    response_pattern: str = _field(
        "",
        "Regular expression that a whole response must match; pairs whose "
        "response doesn't are left out. Empty: none is.",
    )
    template: str = _field(
        "",
        "Of the prompts: pair, answer, summarise, chat, write or "
        "translate:SOURCE-TARGET; several, separated by commas, for several "
        "tasks of the same pairs. Empty: pair, with --pairs.",
    )
    validation_pairs: int = _field(
        0, "Pairs kept for validation; 0: --validation_fraction of them."
    )
    validation_files: str = _field(
        "",
        "Files of pairs to validate on, none of --pairs then.",
        may_change=True,
    )
    hold_out_by: str = _field(
        "prompt",
        "Pairs that are alike in this are never both trained and validated "
        "on: prompt, response, or a field of the template such as context.",
    )
    loss_on: str = _field(
        "",
        "`response`: learn to write responses, not prompts; `all`: both. "
        "Empty: response, where the template has one.",
    )
    tokenizer: str = _field(
        "byte_pair",
        "`byte_pair`, `character`, or a folder with tokenizer.json or with "
        "GPT-2's two files.",
    )
    vocab_size: int = _field(1024, "Vocabulary of a trained byte_pair.")
    batching: str = _field(
        "packed",
        "`packed`: windows of --max_length tokens, cut anywhere; "
        "`length_buckets`: a document in a row, with others about as long; "
        "`best_fit`: in a row as many documents as fit.",
    )
    num_buckets: int = _field(
        8, "Widths of batches, with --batching=length_buckets."
    )
    validation_fraction: float = _field(0.1, "Share kept for validation.")
    split_by: str = _field(
        "position", "`position`: the end of the corpus; `document`: by hash."
    )
    workers: int = _field(
        0,
        "Processes that encode text; 0 or 1: this one, on all processors.",
        may_change=True,
    )
    verify_tokens: bool = _field(
        False,
        "Compare the SHA-256 of all tokens, those too that were compared "
        "before and have not changed since.",
        may_change=True,
    )

    # Model; None leaves it to GPTModel
    d_model: int = _field(128, "Width of the model.")
    num_heads: int = _field(4, "Attention heads.")
    dff: int = _field(512, "Width of the feed-forward layers.")
    num_layers: int = _field(4, "Decoder blocks.")
    max_length: int = _field(128, "Longest sequence, and window to train on.")
    rate: float = _field(0.0, "Dropout rate.")
    position: str | None = _field(None, "sinusoidal, learned or rotary.")
    activation: str | None = _field(None, "relu, gelu or relu_squared.")
    norm_order: str | None = _field(None, "pre or post.")
    norm: str | None = _field(None, "layer or rms.")
    qk_norm: bool | None = _field(None, "Normalise queries and keys.")
    tie_embeddings: bool | None = _field(None, "Share input and output.")
    scale_embeddings: bool | None = _field(None, "Times √d_model.")
    use_bias: bool | None = _field(None, "Biases in projections and norms.")
    initializer_stddev: float | None = _field(None, "Of the initial weights.")
    zero_init_residual: bool | None = _field(
        None, "Projections that end a residual branch begin as zeros."
    )
    vocab_multiple: int | None = _field(
        None, "Rows of the vocabulary are padded to a multiple of this."
    )
    document_mask: bool = _field(
        False,
        "Tokens see those of their own document alone, and positions begin "
        "anew in each.",
    )
    dtype: str = _field(
        "float32", "Keras dtype policy: float32, mixed_bfloat16, mixed_float16."
    )
    init_from: str = _field(
        "",
        "Model folder, or any other source that `tools.convert` reads, whose "
        "weights to begin with.",
    )
    lora_rank: int = _field(
        0,
        "Train adapters of this rank beside the frozen weights of --init_from; "
        "0: train the weights.",
    )
    lora_alpha: float | None = _field(
        None, "Adapters count alpha / rank times. By itself the rank."
    )

    # Optimisation
    steps: int = _field(
        2000,
        "Optimizer steps of the whole run. May change while the learning rate "
        "doesn't depend on it yet.",
        may_change=True,  # the model folder compares the schedules
    )
    batch_size: int = _field(
        32,
        "Windows in a step, over all replicas. With --batching=length_buckets "
        "of rows as long as --max_length; of shorter ones there are more.",
    )
    learning_rate: float = _field(1e-3, "Peak, after the warm-up.")
    min_learning_rate: float | None = _field(
        None, "At the last step. By itself a tenth of the peak."
    )
    warmup_steps: int = _field(100, "Steps of linear warm-up from 0.")
    schedule: str = _field(
        "cosine",
        "After the warm-up: `cosine` or `linear` decay, `trapezoid` (constant, "
        "then linear over the last --decay_steps) or `constant`.",
    )
    decay_steps: int = _field(0, "Of a trapezoid; 0: a fifth of the steps.")
    optimizer: str = _field(
        "adamw", "`adamw`, or `muon` for the matrices of the blocks."
    )
    muon_momentum: float = _field(0.95, "Momentum of Muon.")
    beta_1: float = _field(0.9, "AdamW's first moment decay.")
    beta_2: float = _field(0.99, "AdamW's second moment decay.")
    weight_decay: float = _field(0.1, "Of matrices; vectors have none.")
    clip_norm: float = _field(1.0, "Largest global gradient norm; 0: none.")
    label_smoothing: float = _field(
        0.0,
        "Share of a label's probability that is spread over the vocabulary; "
        "in training, not in validation.",
    )
    seed: int = _field(0, "Of weights, order of the data and dropout.")
    ema_decay: float = _field(
        0.0,
        "Decay of the average of the weights that validation, samples and "
        "export use; 0: the weights themselves.",
    )
    spike_sigmas: float = _field(
        6.0,
        "Leave out a step whose loss or gradient norm is so many standard "
        "deviations above the recent mean; 0: only what is not finite.",
    )
    spike_window: int = _field(128, "How many steps are the recent ones.")
    max_skipped: int = _field(
        16, "More of the recent steps left out stop the run.", may_change=True
    )

    # Memory and speed: the same steps, up to rounding
    microbatches: int = _field(
        1, "Parts of a device's batch, one at a time.", may_change=True
    )
    chunk_tokens: int | None = _field(
        None,
        "Tokens whose logits are in memory at a time; 0: all. By itself it "
        "is chosen by the vocabulary.",
        may_change=True,
    )
    remat: bool = _field(
        False,
        "Compute the activations of a block again in the backward pass "
        "instead of keeping them.",
        may_change=True,
    )
    jit_compile: bool = _field(False, "Compile by XLA.", may_change=True)
    steps_per_execution: int = _field(
        0,
        "Most steps between two visits to Python; 0: as many as half a second "
        "holds.",
        may_change=True,
    )

    # Running
    logical_cpus: int = _field(
        0, "Train on so many logical CPU devices.", may_change=True
    )
    log_every: int = _field(10, "Steps between log lines.", may_change=True)
    validate_every: int = _field(
        250, "Steps between validations; 0: at the end.", may_change=True
    )
    validation_batches: int = _field(
        0, "Batches of a validation; 0: the whole split.", may_change=True
    )
    checkpoint_every: int = _field(
        250, "Steps between checkpoints; 0: at the end.", may_change=True
    )
    keep_checkpoints: int = _field(
        3, "Last checkpoints that are kept.", may_change=True
    )
    keep_best: bool = _field(
        True,
        "Keep the weights of the lowest validation loss too.",
        may_change=True,
    )
    sample_every: int = _field(
        500, "Steps between sample texts; 0: none.", may_change=True
    )
    sample_prompt: str = _field("", "Of the samples.", may_change=True)
    metrics_every: int = _field(
        0,
        "Steps between answers to held-out prompts that are scored, the last "
        "step too; 0: none.",
        may_change=True,
    )
    metrics_examples: int = _field(
        200, "Held-out prompts that are answered.", may_change=True
    )
    metrics_tokens: int = _field(
        64, "The most tokens of an answer that is scored.", may_change=True
    )
    metrics: str = _field(
        "",
        "bleu, chrf, rouge1, rouge2, rougeL, rougeLsum, exact_match, f1, "
        "accuracy, distinct1, distinct2, repetition4 or regular_verse; "
        "several, separated by commas. Empty: those of the template's task.",
        may_change=True,
    )
    keep_best_by: str = _field(
        "val_loss",
        "What the weights of --keep_best are best by: val_loss, or a metric.",
    )
    deterministic: bool = _field(
        False, "Refuse operations whose result varies.", may_change=True
    )
    profile: str = _field(
        "", "Trace steps 10 to 20 by 10,20; for TensorBoard.", may_change=True
    )
    peak_teraflops: float = _field(
        0.0,
        "Of one device, for the utilisation in the log; 0: measured by a "
        "matrix product.",
        may_change=True,
    )

    def __post_init__(self):
        check_config(self)
        StepOptions(**self.step_options())  # raises where one is wrong

    @classmethod
    def from_flags(
        cls, base=None, flag_values=absl_flags.FLAGS, prefix: str = ""
    ):
        """Returns `base` with every flag that was given put in its place.

        Args:
            base: A recipe; None for the defaults.
            flag_values: Where `gpt_keras.flags.define` put the flags.
            prefix: What was given to it.

        Raises:
            UnparsedFlagAccessError: The flags have not been parsed yet.
            Error: `absl.flags.Error`, there are no flags with this prefix.
            ValueError: A value is out of range.
        """
        return flags.collect(base or cls(), flag_values, prefix)

    def model_arguments(self) -> dict[str, Any]:
        """Returns the arguments of `GPTModel`, `vocab_size` excepted."""
        values = {name: getattr(self, name) for name in _MODEL_FIELDS}
        return {
            name: value for name, value in values.items() if value is not None
        }

    def differences(self, saved: dict[str, Any]) -> list[str]:
        """Says where a saved configuration would learn something else.

        Args:
            saved: `dataclasses.asdict` of another configuration.
        """
        return [
            f"{field.name}: {saved.get(field.name, field.default)!r} there, "
            f"{getattr(self, field.name)!r} now"
            for field in dataclasses.fields(self)
            if not field.metadata["may_change"]
            and saved.get(field.name, field.default)
            != getattr(self, field.name)
        ]

    @property
    def final_learning_rate(self) -> float:
        """The learning rate at the end of the decay."""
        if self.min_learning_rate is None:
            return self.learning_rate / 10
        return self.min_learning_rate

    def step_options(self) -> dict[str, Any]:
        """Returns the keywords of `GPTModel.compile`."""
        return {name: getattr(self, name) for name in _STEP_FIELDS}


_MODEL_FIELDS = (
    "d_model",
    "num_heads",
    "dff",
    "num_layers",
    "max_length",
    "rate",
    "position",
    "activation",
    "norm_order",
    "norm",
    "qk_norm",
    "tie_embeddings",
    "scale_embeddings",
    "use_bias",
    "initializer_stddev",
    "zero_init_residual",
    "vocab_multiple",
)
_STEP_FIELDS = (
    "microbatches",
    "ema_decay",
    "spike_sigmas",
    "spike_window",
    "chunk_tokens",
    "label_smoothing",
    "jit_compile",
)

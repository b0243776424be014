"""What is measured against what, and what it should reach."""

import dataclasses
import pathlib
import subprocess
from importlib.util import find_spec
from typing import Any

OURS = "gpt_keras"
# Which Python runs a program: this one, or the one that has PyTorch, or JAX.
HERE, TORCH, JAX = "here", "torch", "jax"
# Figures that should be large; the others should be small.
MORE_IS_BETTER = ("rate", "mfu")

GPT2 = dict(d_model=768, num_heads=12, dff=3072, num_layers=12)
# What this project's model has to be told to be like GPT-2.
LIKE_GPT2 = dict(
    position="learned",
    activation="gelu",
    tie_embeddings=True,
    scale_embeddings=False,
)
OURS_GPT2 = dict(**GPT2, **LIKE_GPT2)
_SMALL = dict(d_model=128, num_heads=4, dff=512, num_layers=4)
VOCABULARY = 50257
# What learns fast at the size of `_SMALL`: docs/recipes.md.
_BEST_RECIPE = dict(
    position="rotary",
    activation="relu_squared",
    qk_norm=True,
    tie_embeddings=True,
    scale_embeddings=False,
    initializer_stddev=0.05,
    zero_init_residual=True,
    optimizer="muon",
    schedule="linear",
    min_learning_rate=0.0,
)
_TO_THE_LOSS = dict(
    steps=230, warmup_steps=10, learning_rate=1.5e-2, muon_momentum=0.85
)
_AS_MANY_STEPS = dict(steps=2000, warmup_steps=50, learning_rate=1e-2)


@dataclasses.dataclass(frozen=True)
class Contender:
    """A program with its options.

    Attributes:
        name: In tables.
        program: Its file among `programs`.
        options: What it is told.
        python: `HERE`, `TORCH` or `JAX`.
        missing: What it needs and hasn't got; empty if nothing.
    """

    name: str
    program: str
    options: dict[str, Any]
    python: str = HERE
    missing: str = ""


@dataclasses.dataclass(frozen=True)
class Target:
    """What one contender should reach against another.

    Attributes:
        ours: Name of a contender.
        peer: Name of another one; empty: nothing, and `ratio` is what our
            figure itself should be.
        ratio: What ours ÷ the peer's should be at least, or at most where
            less is better.
        figure: `"rate"`, units a second; `"peak_bytes"`; `"first_seconds"`,
            of the first repeat with its compilation; `"mfu"`, the share of
            what the GPU can compute; or another one that both report.
    """

    ours: str
    peer: str
    ratio: float
    figure: str = "rate"

    @property
    def more_is_better(self) -> bool:
        """Whether the ratio should be at least `ratio`."""
        return self.figure in MORE_IS_BETTER


@dataclasses.dataclass(frozen=True)
class Suite:
    """Contenders that do the same work.

    Attributes:
        name: Of the suite.
        unit: What `units` counts.
        contenders: In the order of their turns.
        targets: What they should reach.
        together: Whether all processes live at once and take turns. If not,
            each lives for its turns alone, and is started anew for every
            round: for what takes much memory.
        warm: Whether a first repeat comes before the turns. If not, a process
            has one turn and is told its number as `seed`; `together` must be
            False.
        repeats: Turns of each.
    """

    name: str
    unit: str
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()
    together: bool = True
    warm: bool = True
    repeats: int = 5


def _nanogpt(folder: str | None, **options) -> Contender:
    missing = "" if folder else "there is no folder of it (--nanogpt)"
    return Contender(
        "nanoGPT",
        "train_nanogpt",
        dict(options, folder=folder),
        TORCH,
        missing,
    )


def train_small(nanogpt: str | None = None) -> Suite:
    """Returns the suite of nanoGPT's configuration for CPUs, 0.8M.

    Args:
        nanogpt: Its folder.
    """
    config = dict(**_SMALL, max_length=64, batch_size=12, use_bias=False)
    ours = dict(**config, **LIKE_GPT2, beta_2=0.99)
    options = dict(vocab_size=65, steps=100)
    return Suite(
        "train_small",
        "tokens",
        (
            Contender(OURS, "train_ours", dict(options, config=ours)),
            Contender(
                f"{OURS}, XLA",
                "train_ours",
                dict(options, config=dict(ours, jit_compile=True)),
            ),
            _nanogpt(nanogpt, **options, config=config),
        ),
        (
            Target(f"{OURS}, XLA", "nanoGPT", 2.0),
            Target(OURS, "nanoGPT", 2.0),
        ),
    )


def time_to_loss(nanogpt: str | None, text: str | None) -> Suite:
    """Returns the suite of nanoGPT's final loss on tinyshakespeare.

    The models are as large as in `train_small`. A turn is a whole run in a
    new process, each of another seed.

    Args:
        nanogpt: Its folder.
        text: The file of tinyshakespeare; None: not run.
    """
    config = dict(**_SMALL, max_length=64, batch_size=12, use_bias=False)
    same = dict(_BEST_RECIPE, **config)
    missing = "" if text else "there is no text (--shakespeare)"

    def ours(name, **more):
        options = dict(text=text, config=dict(same, **more))
        return Contender(name, "loss_ours", options, missing=missing)

    peer = _nanogpt(nanogpt, text=text, steps=2000, config=config)
    peer = dataclasses.replace(
        peer, program="loss_nanogpt", missing=missing or peer.missing
    )
    short, long = f"{OURS}, to that loss", f"{OURS}, as many steps"
    compiled = f"{OURS}, to that loss, XLA"
    return Suite(
        "time_to_loss",
        "runs",
        (
            ours(short, **_TO_THE_LOSS),
            ours(compiled, **_TO_THE_LOSS, jit_compile=True),
            ours(long, **_AS_MANY_STEPS),
            peer,
        ),
        (
            Target(short, "nanoGPT", 1.0, "val_loss"),
            Target(short, "nanoGPT", 1 / 7, "seconds"),
            Target(short, "nanoGPT", 1 / 3, "seconds_of_all"),
            Target(compiled, "nanoGPT", 1.0, "val_loss"),
            Target(compiled, "nanoGPT", 1 / 7, "seconds"),
            Target(compiled, "nanoGPT", 1 / 3, "seconds_of_all"),
            Target(long, "", 1.60, "val_loss"),
        ),
        together=False,
        warm=False,
    )


def train_gpt2(nanogpt: str | None, dtype: str = "mixed_bfloat16") -> Suite:
    """Returns the suite of 124M parameters, 4 × 512 tokens a step."""
    is_float32 = dtype == "float32"
    config = dict(**GPT2, max_length=512, batch_size=4)
    ours = dict(**OURS_GPT2, max_length=512, batch_size=4, dtype=dtype)
    options = dict(vocab_size=VOCABULARY, steps=2)
    contenders = [
        Contender(OURS, "train_ours", dict(options, config=ours)),
        Contender(
            f"{OURS}, remat",
            "train_ours",
            dict(options, config=dict(ours, remat=True)),
        ),
        Contender(
            "KerasHub",
            "train_keras_hub",
            dict(options, config=dict(config, dtype=dtype)),
        ),
        _nanogpt(nanogpt, **options, config=config, autocast=not is_float32),
    ]
    if is_float32:
        del contenders[1]
        targets = (
            Target(OURS, "KerasHub", 1.15),
            Target(OURS, "nanoGPT", 2.3),
        )
    else:
        targets = (
            Target(OURS, "KerasHub", 1.3),
            Target(OURS, "nanoGPT", 1.7),
            Target(OURS, "KerasHub", 0.5, "peak_bytes"),
            Target(OURS, "nanoGPT", 0.85, "peak_bytes"),
            Target(f"{OURS}, remat", "nanoGPT", 0.75, "peak_bytes"),
            Target(f"{OURS}, remat", OURS, 0.7),
        )
    return Suite(
        "train_gpt2_float32" if is_float32 else "train_gpt2",
        "tokens",
        tuple(contenders),
        targets,
        together=False,
        repeats=3,
    )


def train_gpu(nanogpt: str | None, batch_size: int = 8) -> Suite:
    """Returns the suite of 124M parameters on a GPU, rows of 1,024 tokens.

    Both say how much of its memory they took, and what `"mfu"` comes from by
    the same count of operations: `programs/gpu.py`.

    Args:
        nanogpt: Its folder.
        batch_size: Rows of a step.
    """
    shape = dict(max_length=1024, batch_size=batch_size)
    options = dict(vocab_size=50304, steps=800 // batch_size)
    ours = dict(**OURS_GPT2, **shape, dtype="mixed_bfloat16")
    missing = "" if has_gpu() else "no GPU"
    no_tensorflow = "" if find_spec("tensorflow") else "no TensorFlow"
    name = f"{OURS}, JAX"
    peer = _nanogpt(nanogpt, **options, config=dict(**GPT2, **shape))
    return Suite(
        "train_gpu" if batch_size == 8 else f"train_gpu_{batch_size}",
        "tokens",
        (
            Contender(
                name,
                "train_jax",
                dict(options, chunk_tokens=8192, config=ours),
                JAX,
                missing,
            ),
            *(
                Contender(
                    f"{OURS}, TensorFlow{suffix}",
                    "train_ours",
                    dict(
                        options,
                        config=dict(ours, chunk_tokens=8192, **more),
                    ),
                    missing=missing or no_tensorflow,
                )
                for suffix, more in (("", {}), (", XLA", {"jit_compile": True}))
            ),
            dataclasses.replace(
                peer,
                program="train_nanogpt_gpu",
                missing=missing or peer.missing,
            ),
        ),
        (Target(name, "", 0.4, "mfu"), Target(name, "nanoGPT", 1.0)),
    )


def has_gpu() -> bool:
    """Returns whether this machine has a GPU of Nvidia's."""
    if pathlib.Path("/dev/nvidia0").exists():
        return True
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True)
    except FileNotFoundError:
        return False
    return listed.returncode == 0 and bool(listed.stdout.strip())


def tokenizer(text: str, num_bytes: int, folder: str) -> Suite:
    """Returns the suite of turning text files into token shards."""
    options = dict(
        text=text, bytes=num_bytes, tokenizer=folder, vocab_size=8192
    )
    return Suite(
        "tokenizer",
        "bytes",
        (
            Contender(OURS, "tokenizer_ours", options),
            Contender("tokenizers", "tokenizer_hugging_face", options),
        ),
        (Target(OURS, "tokenizers", 0.8),),
    )


def data() -> Suite:
    """Returns the suite of the pipeline against the training that reads it."""
    small = train_small().contenders[1]
    config = small.options["config"]
    shape = {"length": config["max_length"], "batch_size": config["batch_size"]}
    tokens = shape["length"] * shape["batch_size"]
    read = dict(**shape, batches=2000, vocab_size=65, tokens_per_unit=tokens)
    return Suite(
        "data",
        "tokens",
        (
            Contender("the pipeline", "read_batches", read),
            dataclasses.replace(small, name="training, XLA"),
        ),
        (Target("the pipeline", "training, XLA", 20.0),),
    )

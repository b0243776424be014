"""Text in, text out of an exported model, with TensorFlow alone.

python -m tools.complete --model=saved_models/quickstart --prompt='The'
"""

import pathlib

import tensorflow as tf
from absl import app
from absl import flags

_MODEL = flags.DEFINE_string(
    "model", None, "Folder of the model's versions; the newest one is taken."
)
_PROMPT = flags.DEFINE_multi_string(
    "prompt", None, "Text to go on from; several times for several texts."
)


def newest_version(folder) -> pathlib.Path:
    """Returns the version folder with the highest number.

    Raises:
        FileNotFoundError: There is none.
    """
    paths = pathlib.Path(folder).glob("*/saved_model.pb")
    versions = [path.parent for path in paths if path.parent.name.isdecimal()]
    if not versions:
        raise FileNotFoundError(
            "`--model` must be a folder with versions, 1, 2, …, as "
            f"`python -m tools.export` writes them. Received: {folder}"
        )
    return max(versions, key=lambda path: int(path.name))


def complete(model_dir, prompts: list[str]) -> list[str]:
    """Returns the completions of the model's newest version."""
    model = tf.saved_model.load(str(newest_version(model_dir)))
    signature = model.signatures["serving_default"]
    completions = signature(prompts=tf.constant(prompts))["completions"]
    return [text.decode() for text in completions.numpy()]


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    prompts = _PROMPT.value or [""]
    try:
        completions = complete(_MODEL.value, prompts)
    except OSError as error:
        raise SystemExit(f"error: {error}") from error
    for prompt, completion in zip(prompts, completions, strict=True):
        print(prompt + completion)


if __name__ == "__main__":
    flags.mark_flag_as_required("model")
    app.run(main)

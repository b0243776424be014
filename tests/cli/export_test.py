"""Tests of `gpt_keras.cli.export`: the whole path, text to served text."""

import json
import os
import sys

import limited_process

from gpt_keras import progress
from gpt_keras.cli import export
from gpt_keras.cli import program
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model

CLIENT = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](
    prompts=tf.constant(json.loads(sys.argv[2])))
texts = [text.decode() for text in answer["completions"].numpy()]
assert "gpt_keras" not in sys.modules
assert set(model.signatures) == {"serving_default", "complete"}
print(json.dumps(texts))
"""


def _export(model_dir, output, *arguments):
    values = program.parse(
        export.define_flags,
        f"--model_dir={model_dir}",
        f"--output={output}",
        *arguments,
    )
    export.main(values)


def test_served_text_is_what_generate_writes(
    model_dir, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)  # a line for each part
    settings = {"max_new_tokens": 12, "temperature": 0.7, "seed": 5}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    flags.append("--signatures=complete")
    _export(model_dir, tmp_path / "gpt", *flags)
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "gpt" / "1")
    lines = printed.err.splitlines()
    # The first before anything is done, so that it has no speed.
    parts = [(x.split(",")[0], x.split(", ")[-1]) for x in lines]
    assert parts[:4] == [
        ("Exporting: 0 of 4 parts", "serving_default"),
        ("Exporting: 1 of 4 parts", "complete"),
        ("Exporting: 2 of 4 parts", "warm-up"),
        ("Exporting: 3 of 4 parts", "writing"),
    ]
    prompts = ["one", "三", ""]
    served = limited_process.run(
        [sys.executable, "-c", CLIENT, tmp_path / "gpt" / "1"]
        + [json.dumps(prompts)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])},
    )
    assert served.returncode == 0, served.stderr[-3000:]
    generator = TextGenerator(load_model(model_dir), load_tokenizer(model_dir))
    expected = [x.text for x in generator.generate(prompts, **settings)]
    assert json.loads(served.stdout) == expected

"""Tests of the export, loaded where nothing but TensorFlow is imported."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.serving.export import export_saved_model
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop"
SETTINGS = dict(max_new_tokens=12, temperature=1.3, top_k=200, seed=4)
PROMPTS = [
    "the cat",
    "",
    "ein Häuschen",
    "猫 <|endoftext|>",
    "the cat",
    "on and on " * 30,
    "\N{GRINNING FACE}\0\n  x",
]
TOKEN_IDS = [[1, 2, 3, 4], [200, 0, 5, 261]]

LOAD = """
import json, sys
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session
path, prompts, token_ids = json.loads(sys.argv[1])
buffer = pywrap_tf_session.TF_GetAllOpList()
ops = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(buffer))
functions = tf.saved_model.load(path).signatures
complete = lambda texts: functions["serving_default"](
    prompts=tf.constant(texts, tf.string))["completions"].numpy()
answer = {
    "core_ops": [op.name for op in ops.op],
    "signatures": sorted(functions),
    "completions": [text.decode() for text in complete(prompts)],
    "single": [complete([text])[0].decode() for text in prompts],
    "not_utf8": complete([b"\\xff\\xfea"])[0].decode(),
    "empty": complete([]).tolist(),
    "logits": functions["logits"](token_ids=tf.constant(token_ids))[
        "logits"].numpy().tolist(),
}
"""

LOAD_V1 = """
import json, sys
import numpy as np
import tensorflow as tf
path, prompts, token_ids = json.loads(sys.argv[1])
tf.compat.v1.disable_eager_execution()
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], path)
    def run(name, **feeds):
        signature = loaded.signature_def[name]
        return session.run(
            {key: info.name for key, info in signature.outputs.items()},
            {signature.inputs[key].name: feed for key, feed in feeds.items()})
    complete = lambda texts: run(
        "serving_default", prompts=np.array(texts, object))["completions"]
    answer = {
        "signatures": sorted(set(loaded.signature_def) & {
            "logits", "serving_default"}),
        "completions": [text.decode() for text in complete(prompts)],
        "single": [complete([text])[0].decode() for text in prompts],
        "not_utf8": complete([b"\\xff\\xfea"])[0].decode(),
        "empty": complete([]).tolist(),
        "logits": run("logits", token_ids=np.array(token_ids, np.int32))[
            "logits"].tolist(),
    }
"""

REPORT = """
answer["imported"] = [
    name for name in sys.modules
    if name.split(".")[0] in (
        "gpt_keras", "tensorflow_text", "tokenizers")]
print("ANSWER", json.dumps(answer))
"""


def make_model(tokenizer, **switches):
    model = GPTModel(
        tokenizer.vocab_size,
        16,
        2,
        32,
        32,
        num_layers=2,
        initializer_stddev=0.4,
        position="learned",
        **switches,
    )
    model(np.zeros((1, 1), np.int32))
    return model


@pytest.fixture(scope="module")
def tokenizer():
    return train_byte_pair([TEXT], 262)


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer)


@pytest.fixture(scope="module")
def exported(model, tokenizer, tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved_models") / "gpt"
    return export_saved_model(model, tokenizer, directory, **SETTINGS)


@pytest.fixture(scope="module")
def generator(model, tokenizer):
    return TextGenerator(model, tokenizer)


def start(script, path):
    arguments = json.dumps([path, PROMPTS, TOKEN_IDS])
    return subprocess.Popen(
        [sys.executable, "-I", "-c", script + REPORT, arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        text=True,
    )


def answer_of(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    line = next(x for x in output.splitlines() if x.startswith("ANSWER "))
    return json.loads(line.removeprefix("ANSWER "))


@pytest.fixture(scope="module")
def answers(exported):
    """What fresh processes get out of the export."""
    scripts = {"loaded": LOAD, "session": LOAD_V1}
    processes = {
        name: start(script, exported) for name, script in scripts.items()
    }
    return {name: answer_of(process) for name, process in processes.items()}


@pytest.fixture(scope="module", params=["loaded", "session"])
def answer(request, answers):
    return answers[request.param]


def test_nothing_but_tensorflow_is_needed(answer):
    assert answer["imported"] == []


def test_the_signatures(answer):
    assert answer["signatures"] == ["logits", "serving_default"]


def test_completions_equal_those_of_the_model(answer, generator):
    expected = generator.generate(PROMPTS, **SETTINGS)
    assert answer["completions"] == [row.text for row in expected]
    assert any(row.text for row in expected)


def test_a_row_does_not_depend_on_its_batch(answer):
    assert answer["single"] == answer["completions"]


def test_logits_equal_those_of_the_model(answer, model):
    expected = model(np.array(TOKEN_IDS, np.int32)).numpy()
    np.testing.assert_allclose(answer["logits"], expected, atol=1e-5)


def test_bytes_that_are_not_text_are_replaced(answer, generator):
    expected = generator.generate("\ufffd\ufffda", **SETTINGS)
    assert answer["not_utf8"] == expected.text


def test_an_empty_batch_gets_an_empty_answer(answer):
    assert answer["empty"] == []


def read_graph(path):
    saved_model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved_model.ParseFromString(file.read())
    (meta_graph,) = saved_model.meta_graphs
    return meta_graph


def served_nodes(meta_graph):
    """The nodes of all that a signature can reach."""
    library = {
        f.signature.name: f for f in meta_graph.graph_def.library.function
    }
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    open_names = [
        info.name.split(":")[0]
        for name in ("serving_default", "logits")
        for info in meta_graph.signature_def[name].outputs.values()
    ]
    seen, open_functions, reached = set(), [], []
    while open_names:
        node = nodes[open_names.pop().lstrip("^").split(":")[0]]
        if node.name not in seen:
            seen.add(node.name)
            reached.append(node)
            open_names += node.input
    for node in reached:  # grows while it is read
        for value in node.attr.values():
            open_functions += [f.name for f in (value.func, *value.list.func)]
        while open_functions:
            name = open_functions.pop()
            if name in library and ("function", name) not in seen:
                seen.add(("function", name))
                reached += library[name].node_def
    return reached


def test_the_served_graph_has_core_ops_without_state(exported, answers):
    nodes = served_nodes(read_graph(exported))
    names = {node.op for node in nodes}
    assert len(nodes) > 500 and {"While", "TopKV2", "ReadVariableOp"} <= names
    forbidden = ("Assign", "MutableHashTable", "PyFunc", "EagerPyFunc", "Xla")
    forbidden += ("RandomUniform", "Stateful", "StatelessRandom", "Mutable")
    allowed = {"StatefulPartitionedCall"}
    assert [n for n in names - allowed if n.startswith(forbidden)] == []
    assert names <= set(answers["loaded"]["core_ops"])
    assert not any(
        node.attr[key].b
        for node in nodes
        for key in ("_XlaMustCompile", "_XlaCompile")
    )


def test_rows_come_first_in_every_signature(exported):
    signatures = read_graph(exported).signature_def
    for name in ("serving_default", "logits"):
        tensors = [
            *signatures[name].inputs.values(),
            *signatures[name].outputs.values(),
        ]
        assert tensors
        for tensor in tensors:
            assert tensor.tensor_shape.dim[0].size == -1


def test_inputs_and_outputs_have_their_names_and_types(exported):
    signatures = read_graph(exported).signature_def
    described = {
        name: {
            key: (
                tf.dtypes.as_dtype(info.dtype).name,
                len(info.tensor_shape.dim),
            )
            for key, info in (
                *signatures[name].inputs.items(),
                *signatures[name].outputs.items(),
            )
        }
        for name in ("serving_default", "logits")
    }
    assert described == {
        "serving_default": {
            "prompts": ("string", 1),
            "completions": ("string", 1),
        },
        "logits": {"token_ids": ("int32", 2), "logits": ("float32", 3)},
    }


def test_the_assets_say_what_was_exported(exported, model, tokenizer):
    folder = os.path.join(exported, "assets.extra")
    assert load_tokenizer(folder).fingerprint == tokenizer.fingerprint
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    assert GPTModel.from_config(config["model"]).get_config() == (
        model.get_config()
    )
    assert config["generation"] == {
        "max_new_tokens": 12,
        "temperature": 1.3,
        "top_k": 200,
        "top_p": 1.0,
        "seed": 4,
        "overflow": "stop",
    }


@pytest.fixture(scope="module")
def characters():
    return CharacterTokenizer("abcdefghijklmnopqrstuvwxyz ")


def test_the_next_export_is_version_2_and_has_no_weights_as_constants(
    exported, characters
):
    model = GPTModel(30, 256, 2, 1024, 32, num_layers=1, dtype="mixed_bfloat16")
    model(np.zeros((1, 1), np.int32))
    directory = os.path.dirname(exported)
    path = export_saved_model(model, characters, directory, temperature=0)
    assert path == os.path.join(directory, "2")
    assert sorted(os.listdir(directory)) == ["1", "2"]
    weights = model.count_params() * 4
    written = sum(
        entry.stat().st_size
        for entry in os.scandir(os.path.join(path, "variables"))
    )
    assert weights <= written < 1.05 * weights
    assert os.path.getsize(os.path.join(path, "saved_model.pb")) < weights / 3
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    completions = loaded(prompts=tf.constant(["abc"]))["completions"].numpy()
    expected = TextGenerator(model, characters).generate("abc", temperature=0)
    assert completions[0].decode() == expected.text


def test_a_full_disk_is_an_os_error_and_leaves_nothing(
    model, tokenizer, tmp_path
):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match="can't be written") as raised:
            export_saved_model(model, tokenizer, tmp_path / "gpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(tmp_path / "gpt")
    assert os.listdir(tmp_path) == []


def test_bad_arguments_are_refused_before_anything_is_written(
    characters, model, tokenizer, tmp_path
):
    directory = tmp_path / "gpt"
    with pytest.raises(ValueError, match="top_p=3"):
        export_saved_model(model, tokenizer, directory, top_p=3)
    with pytest.raises(ValueError, match="model.vocab_size=29"):
        export_saved_model(
            GPTModel(29, 16, 2, 32, 32, num_layers=1), tokenizer, directory
        )
    with pytest.raises(ValueError, match="not built"):
        export_saved_model(
            GPTModel(29, 16, 2, 32, 32, num_layers=1), characters, directory
        )
    assert not directory.exists()


def test_logits_refuse_what_the_model_cannot_read(exported):
    logits = tf.saved_model.load(exported).signatures["logits"]
    error = tf.errors.InvalidArgumentError
    with pytest.raises(error, match="max_length=32"):
        logits(token_ids=tf.zeros([1, 33], tf.int32))
    with pytest.raises(error, match="vocab_size=262"):
        logits(token_ids=tf.constant([[262]]))
    with pytest.raises(error, match="vocab_size=262"):
        logits(token_ids=tf.constant([[-1]]))
    assert logits(token_ids=tf.zeros([0, 4], tf.int32))["logits"].shape[0] == 0

"""Tests of the export, loaded where nothing but TensorFlow is imported."""

import json
import os
import pickle
import resource
import sys
from typing import Any
from typing import NamedTuple

import limited_process
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from gpt_keras.generation.policy import Policy
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.generation.watermark import Watermark
from gpt_keras.model import GPTModel
from gpt_keras.serving import export
from gpt_keras.serving.checksums import verify_checksums
from gpt_keras.serving.export import SERVING_POLICY
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.signatures import SIGNATURES
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.serving.warm_up import make_warm_up
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

# The first test waits for all that the module asks: on a loaded machine, long.
pytestmark = pytest.mark.timeout(1800)
TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop"
DEFAULTS = dict(max_new_tokens=12, temperature=1.3, top_k=200, seed=4)
PROMPTS = ["the cat", "", "猫坐", "ein Häuschen " * 9, "\0 <|endoftext|>"]
# One signature after the other, in a process of its own.
LOADED = """
import pickle, sys
import tensorflow as tf
path, requests, answers = sys.argv[1:]
functions = tf.saved_model.load(path).signatures
def call(name, inputs):
    specs = functions[name].structured_input_signature[1]
    return {key: value.numpy() for key, value in functions[name](**{
        key: tf.constant(value, specs[key].dtype)
        for key, value in inputs.items()}).items()}
"""
SESSION = """
import pickle, sys
import tensorflow as tf
path, requests, answers = sys.argv[1:]
tf.compat.v1.disable_eager_execution()
session = tf.compat.v1.Session(graph=tf.Graph())
with session.graph.as_default():
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], path)
def call(name, inputs):
    signature = loaded.signature_def[name]
    return session.run(
        {key: info.name for key, info in signature.outputs.items()},
        {signature.inputs[key].name: value for key, value in inputs.items()})
"""
ANSWER = """
def stream(inputs):
    answer = call("prefill", inputs)
    texts = list(answer["completions_bytes"])
    rows = list(range(len(texts)))
    while any(answer["state_bytes"]):
        going = [n for n, state in enumerate(answer["state_bytes"]) if state]
        states = [answer["state_bytes"][n] for n in going]
        rows = [rows[n] for n in going]
        inputs = {"state_bytes": states, "steps": [3] * len(rows)}
        answer = call("step", inputs)
        for row, text in zip(rows, answer["completions_bytes"]):
            texts[row] += text
    return {"completions_bytes": texts}
with open(requests, "rb") as file:
    results = [
        stream(inputs) if name == "stream" else call(name, inputs)
        for name, inputs in pickle.load(file)
    ]
imported = [name for name in sys.modules if name.split(".")[0] in (
    "gpt_keras", "tensorflow_text", "tokenizers")]
with open(answers, "wb") as file:
    pickle.dump((results, imported), file)
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


class Traced(NamedTuple):
    """A signature that is traced once, for the export and for the tests."""

    function: Any
    inputs: tuple

    def trace(self):
        return self.function


@pytest.fixture(scope="module")
def signatures(model, tokenizer):
    made = make_signatures(model, tokenizer, SERVING_POLICY, **DEFAULTS)
    return {name: Traced(one.trace(), one.inputs) for name, one in made.items()}


@pytest.fixture(scope="module")
def functions(signatures):
    return {name: one.function for name, one in signatures.items()}


@pytest.fixture(scope="module")
def exported(model, tokenizer, signatures, tmp_path_factory):
    def made(*arguments, **settings):
        assert arguments == (model, tokenizer, SERVING_POLICY, SIGNATURES)
        assert settings == DEFAULTS | {"tasks": ()}
        return signatures

    directory = tmp_path_factory.mktemp("saved_models") / "gpt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "make_signatures", made)
        return export_saved_model(model, tokenizer, directory, **DEFAULTS)


def requests_for(signatures, functions):
    """Every signature with a few rows, and what one would ask it."""
    inputs = {name: signature.inputs for name, signature in signatures.items()}
    requests = [tuple(one) for one in make_warm_up(inputs, [1, 4])]
    for _, columns in requests:
        if "seed" in columns:  # none is drawn
            columns["seed"] = np.arange(len(columns["seed"]))
    prompts = np.array([text.encode() for text in PROMPTS], object)
    requests.append(("serving_default", {"prompts": prompts}))
    columns = {
        name: np.full(len(PROMPTS), setting.default)
        for name, setting in SETTINGS.items()
    }
    columns |= {"prompts": prompts, "seed": np.arange(len(PROMPTS))}
    columns |= {"steps": np.zeros(5), "continuation": np.array([b""] * 5)}
    columns["stop"] = np.array(["at" + SEPARATOR + "。"] * 5)
    columns["overflow"] = np.array(["roll", "stop"] * 2 + ["roll"])
    specs = {spec.name: spec for spec in signatures["generate"].inputs}
    columns = {
        key: np.array(value).astype(specs[key].dtype.as_numpy_dtype)
        for key, value in columns.items()
    }
    first = {x.name: columns[x.name] for x in signatures["prefill"].inputs}
    states = functions["prefill"](*map(tf.constant, first.values()))
    later = {
        "state_bytes": states["state_bytes"].numpy(),
        "steps": np.array([3, 0, 1, 2, 9], np.int32),
    }
    requests += [("prefill", first), ("step", later), ("stream", first)]
    requests.append(("generate", columns))
    return requests


@pytest.fixture(scope="module")
def requests(signatures, functions):
    return requests_for(signatures, functions)


@pytest.fixture(scope="module")
def answers(exported, requests, tmp_path_factory):
    """What fresh processes get out of the export."""
    folder = tmp_path_factory.mktemp("answers")
    with open(folder / "requests", "wb") as file:
        pickle.dump(requests, file)
    paths = [exported, str(folder / "requests")]
    results = {}
    for name, script in {"loaded": LOADED, "session": SESSION}.items():
        done = limited_process.run(
            [sys.executable, "-I", "-c", script + ANSWER]
            + [*paths, str(folder / name)],
            seconds=600,
            capture_output=True,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with open(folder / name, "rb") as file:
            results[name] = pickle.load(file)
    return results


@pytest.fixture(scope="module", params=["loaded", "session"])
def answer(request, answers):
    return answers[request.param]


def test_nothing_but_tensorflow_is_needed(answer):
    assert answer[1] == []


def test_every_signature_gives_what_the_model_gives_in_python(
    answer, signatures, functions, requests
):
    for (name, inputs), result in zip(requests, answer[0], strict=True):
        if name == "stream":
            continue
        specs = signatures[name].inputs
        tensors = [tf.constant(inputs[x.name], x.dtype) for x in specs]
        expected = functions[name](*tensors)
        assert set(result) == set(expected)
        for key, value in expected.items():
            got, value = result[key], value.numpy()
            assert got.shape == value.shape and got.dtype == value.dtype
            if value.dtype == np.float32:
                np.testing.assert_allclose(got, value, atol=1e-5)
            elif key == "state_bytes":  # it has floats
                assert [*map(len, got)] == [*map(len, value)]
            else:
                assert got.tolist() == value.tolist(), (name, key)


def test_completions_equal_those_of_the_generator(
    answer, requests, model, tokenizer
):
    generator = TextGenerator(model, tokenizer)
    results = dict(zip([name for name, _ in requests], answer[0], strict=True))
    default, result = results["serving_default"], results["generate"]
    expected = generator.generate(PROMPTS, **DEFAULTS)
    texts = [text.decode() for text in default["completions"]]
    assert texts == [row.text for row in expected]
    expected = generator.generate(
        PROMPTS,
        seed=range(5),
        stop=["at", "。"],
        overflow=["roll", "stop", "roll", "stop", "roll"],
    )
    texts = [text.decode() for text in result["completions"]]
    assert texts == [row.text for row in expected]
    assert [reason.decode() for reason in result["finish_reason"]] == [
        row.finish_reason for row in expected
    ]
    assert any(texts)
    streamed = results["stream"]["completions_bytes"]
    assert streamed == result["completions_bytes"].tolist()


def read_graph(path):
    saved_model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved_model.ParseFromString(file.read())
    (meta_graph,) = saved_model.meta_graphs
    return meta_graph


def largest_constant(meta_graph):
    graph = meta_graph.graph_def
    functions = [function.node_def for function in graph.library.function]
    return max(
        node.attr["value"].tensor.ByteSize()
        for nodes in [graph.node, *functions]
        for node in nodes
        if node.op == "Const"
    )


def test_rows_come_first_in_every_signature(exported, signatures):
    served = dict(read_graph(exported).signature_def)
    served.pop("__saved_model_init_op")
    assert set(served) == set(signatures)
    for signature in served.values():
        tensors = [*signature.inputs.values(), *signature.outputs.values()]
        assert tensors
        for tensor in tensors:
            assert tensor.tensor_shape.dim[0].size == -1


def test_the_folder_says_what_was_exported(exported, model, tokenizer):
    folder = os.path.join(exported, "assets")
    assert load_tokenizer(folder).fingerprint == tokenizer.fingerprint
    assert verify_checksums(exported) == []
    folder = os.path.join(exported, "assets.extra")
    assert sorted(os.listdir(folder)) == [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "model_card.json",
        "tf_serving_warmup_requests",
    ]
    with open(os.path.join(folder, "model_card.json")) as file:
        card = json.load(file)
    assert card["name"] == "gpt" and card["defaults"]["temperature"] == 1.3
    assert card["weights"] == {
        "dtype": "float32",
        "quantization": "none",
        "loss": None,
    }
    configuration = card["model"]["configuration"]
    assert GPTModel.from_config(configuration).d_model == model.d_model


@pytest.fixture(scope="module")
def characters():
    return CharacterTokenizer("abcdefghijklmnopqrstuvwxyz ")


def test_the_next_export_is_version_2_and_has_no_weights_as_constants(
    exported, characters
):
    model = GPTModel(30, 256, 2, 1024, 32, num_layers=1, dtype="mixed_bfloat16")
    model(np.zeros((1, 1), np.int32))
    directory = os.path.dirname(exported)
    path = export_saved_model(
        model, characters, directory, signatures=(), temperature=0
    )
    assert path == os.path.join(directory, "2")
    assert sorted(os.listdir(directory)) == ["1", "2"]
    weights = model.count_params() * 4
    written = sum(
        entry.stat().st_size
        for entry in os.scandir(os.path.join(path, "variables"))
    )
    assert weights <= written < 1.05 * weights
    assert largest_constant(read_graph(path)) < 10_000  # bytes
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    completions = loaded(prompts=tf.constant(["abc"]))["completions"].numpy()
    expected = TextGenerator(model, characters).generate("abc", temperature=0)
    assert completions[0].decode() == expected.text


def test_precision_is_measured_and_told(characters, tmp_path):
    precision = {"dtype": "bfloat16", "quantize": "int8"}
    model = GPTModel(30, 256, 2, 1024, 32, num_layers=1)
    model(np.zeros((1, 1), np.int32))
    path = export_saved_model(
        model,
        characters,
        tmp_path / "gpt",
        signatures=(),
        loss_texts=["abc"] * 9,
        **precision,
    )
    with open(os.path.join(path, "assets.extra", "model_card.json")) as file:
        weights = json.load(file)["weights"]
    loss = weights.pop("loss")
    assert weights == {"dtype": "bfloat16", "quantization": "int8"}
    assert loss["measured_on"] == "given texts" and loss["tokens"] > 20
    assert abs(loss["difference"]) < 0.1
    assert loss["loss"] - loss["reference_loss"] == pytest.approx(
        loss["difference"], abs=1e-6
    )
    size = sum(
        entry.stat().st_size
        for entry in os.scandir(os.path.join(path, "variables"))
    )
    assert size < model.count_params() * 1.1


def test_a_policy_holds_in_the_export(model, tokenizer, tmp_path):
    policy = Policy(
        max_prompt_bytes=20,
        max_new_tokens=30,
        banned=("a", "e"),
        repetition_guard=3,
        redact=("email", "phone", "key"),
        refuse=("mat",),
        watermark=Watermark(key=9),
    )
    path = export_saved_model(
        model,
        tokenizer,
        tmp_path / "gpt",
        policy=policy,
        signatures=(),
        max_new_tokens=25,
    )
    functions = tf.saved_model.load(path).signatures
    prompts = ["the cat", "the MAT", "x" * 21]
    made = functions["serving_default"](prompts=tf.constant(prompts))
    texts = [text.decode() for text in made["completions"].numpy()]
    generator = TextGenerator(model, tokenizer, policy)
    expected = generator.generate(prompts[:2], max_new_tokens=25)
    assert texts == [*(row.text for row in expected), ""]
    assert texts[1] == policy.refusal_text
    with open(os.path.join(path, "assets.extra", "model_card.json")) as file:
        assert json.load(file)["policy"]["watermark"] is True


def test_a_full_disk_is_an_os_error_and_leaves_nothing(
    model, tokenizer, tmp_path
):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match="can't be written") as raised:
            export_saved_model(
                model, tokenizer, tmp_path / "gpt", signatures=()
            )
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
        export_saved_model(make_model(characters), tokenizer, directory)
    with pytest.raises(ValueError, match=r"Received: \['chat'\]"):
        export_saved_model(model, tokenizer, directory, signatures=["chat"])
    with pytest.raises(ValueError, match="both of `prefill` and `step`"):
        export_saved_model(model, tokenizer, directory, signatures=["step"])
    with pytest.raises(ValueError, match="not built"):
        export_saved_model(
            GPTModel(29, 16, 2, 32, 32, num_layers=1), characters, directory
        )
    # Where an error comes late, few signatures have been traced.
    few = {"signatures": ()}
    with pytest.raises(ValueError, match="max_new_tokens=2000"):
        export_saved_model(
            model, tokenizer, directory, max_new_tokens=2000, **few
        )
    with pytest.raises(ValueError, match="float16"):
        export_saved_model(model, tokenizer, directory, dtype="float16", **few)
    with pytest.raises(ValueError, match="int4"):
        export_saved_model(model, tokenizer, directory, quantize="int4", **few)
    with pytest.raises(ValueError, match="at least one token"):
        export_saved_model(
            model, tokenizer, directory, quantize="int8", loss_texts=[""], **few
        )
    assert not directory.exists()

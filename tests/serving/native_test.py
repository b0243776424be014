"""Tests that TensorFlow's C API and C++ loader answer as its Python does."""

import shutil
import sys

import limited_process
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.model import GPTModel
from gpt_keras.serving.export import export_saved_model
from gpt_keras.text.tokenizer_training import train_byte_pair
from tools.export_checks import runners
from tools.export_checks.comparison import differences
from tools.export_checks.graph import read_meta_graph
from tools.export_checks.graph import signatures_of
from tools.export_checks.replay import failures
from tools.export_checks.requests import Request

# The first test waits for all that the module asks: on a loaded machine, long.
pytestmark = pytest.mark.timeout(1800)
TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop"
SETTINGS = dict(max_new_tokens=12, temperature=1.3, top_k=200, seed=4)
# Four rows of every input that a signature may have.
ROWS = {
    "prompts": [b"the cat", b"", "ein Häuschen 猫\0".encode(), b"\xff on" * 30],
    "texts": [b" sat on", b"x", "子上\n".encode(), b""],
    "token_ids": [[1, 2, 3, 4], [200, 0, 5, 261], [7, 7, 7, 7], [9, 0, 0, 0]],
    "lengths": [4, 3, 0, 1],
    "max_new_tokens": [6, 20, 0, 4],
    "temperature": [0.0, 1.3, 0.7, -1.0],
    "top_k": [0, 200, 3, 1],
    "top_p": [1.0, 0.95, 0.5, 1.0],
    "min_p": [0.0, 0.01, 0.0, 0.5],
    "repetition_penalty": [1.0, 1.2, 0.8, 1.0],
    "frequency_penalty": [0.0, 0.5, 0.0, -0.5],
    "presence_penalty": [0.0, 0.5, -0.5, 0.0],
    "no_repeat_ngram": [0, 2, 3, 1],
    "seed": [0, 7, 2**40, 3],
    "stop": [b"", b"at\x1fthe", b" ", b"\n"],
    "banned": [b"", b"cat\x1f\x1f.", "猫".encode(), b"e"],
    "overflow": [b"stop", b"roll", b"stop", b"roll"],
    "steps": [2, 0, 1, -1],
    "continuation": [b"", b"", b"", b"1:x"],
    "num_beams": [1, 3, 2, 0],
    "length_penalty": [0.0, 1.0, -0.5, 0.6],
    "choices": [b"a\x1fthe cat", b" sat", "猫\x1fx".encode(), b""],
    "per_token": [True, False, False, True],
    "normalize": [False, True, True, False],
}
PROGRAMS = {"session": runners.session, "c_api": runners.c_api}
if runners.has_compiler():  # the one part that a machine may lack
    PROGRAMS["cpp"] = runners.cpp
# Every load traces each signature anew: the last program, the nearest one to a
# server, is asked all of them, the others those with every kind of tensor.
THOROUGH = list(PROGRAMS)[-1]
FEW = ("serving_default", "step")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    tokenizer = train_byte_pair([TEXT], 262)
    model = GPTModel(
        *(tokenizer.vocab_size, 16, 2, 32, 32),
        num_layers=1,  # what is compared are the ways to load it
        initializer_stddev=0.4,
        position="learned",
    )
    model(np.zeros((1, 1), np.int32))
    directory = tmp_path_factory.mktemp("saved_models") / "gpt"
    return export_saved_model(model, tokenizer, directory, **SETTINGS)


@pytest.fixture(scope="module")
def python(exported):
    return tf.saved_model.load(exported)


def states_of(python):
    """Returns the rows, after their first token, as `step` takes them."""
    prefill = python.signatures["prefill"]
    specs = prefill.structured_input_signature[1]
    columns = {x: tf.constant(ROWS[x], specs[x].dtype) for x in specs}
    found = prefill(**columns)["state_bytes"].numpy()
    assert [bool(state) for state in found] == [True, True, False, False]
    return found


@pytest.fixture(scope="module")
def requests(exported, python):
    """Four rows, each of them alone, and none, for every signature."""
    found = []
    rows_of = ROWS | {"state_bytes": states_of(python)}
    for name, signature in signatures_of(read_meta_graph(exported)).items():
        inputs = {}
        for key, info in signature.inputs.items():
            dtype = tf.dtypes.as_dtype(info.dtype).as_numpy_dtype
            inputs[key] = np.array(rows_of[key], object).astype(dtype)
        for rows in (slice(0, 4), *map(slice, range(4), range(1, 5))):
            columns = {key: column[rows] for key, column in inputs.items()}
            found.append(Request(name, columns))
        found.append(found[-1].without_rows())
    return found


@pytest.fixture(scope="module")
def loaded(python, requests):
    """The answers of the model as Python loads it."""
    signatures = python.signatures
    answers = []
    for request in requests:
        signature = signatures[request.signature]
        specs = signature.structured_input_signature[1]
        outputs = signature(
            **{
                key: tf.constant(values, specs[key].dtype)
                for key, values in request.inputs.items()
            }
        )
        answers.append({key: x.numpy() for key, x in outputs.items()})
    return answers


@pytest.fixture(scope="module", params=PROGRAMS)
def command(request):
    return PROGRAMS[request.param]()


@pytest.mark.parametrize("program", PROGRAMS)
def test_signatures_answer_as_in_python(program, exported, requests, loaded):
    asked = [
        (request, expected)
        for request, expected in zip(requests, loaded, strict=True)
        if program == THOROUGH or request.signature in FEW
    ]
    requests = [request for request, _ in asked]
    answers = runners.ask(PROGRAMS[program](), exported, requests)
    assert failures(requests, answers) == []
    for (request, expected), answer in zip(asked, answers, strict=True):
        found = differences(expected, answer.outputs)
        assert not found, (request, found)


def test_a_few_signatures_have_every_kind_of_tensor(requests, loaded):
    def kinds(names):
        return {
            array.dtype.kind
            for request, answer in zip(requests, loaded, strict=True)
            if request.signature in names
            for array in (*request.inputs.values(), *answer.values())
        }

    assert kinds(FEW) == kinds({x.signature for x in requests})


def test_every_signature_is_asked(exported, requests, loaded):
    names = set(signatures_of(read_meta_graph(exported)))
    assert names >= {"logits", "serving_default"}
    assert {request.signature for request in requests} == names
    assert any(any(answer.get("completions", ())) for answer in loaded)


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, None], tf.float32, "floats"),
        tf.TensorSpec([None], tf.int32, "ints"),
        tf.TensorSpec([None, None], tf.int64, "longs"),
        tf.TensorSpec([None, 2], tf.bool, "flags"),
        tf.TensorSpec([None, None], tf.string, "texts"),
    ],
    autograph=False,
)
def echo(floats, ints, longs, flags, texts):
    outputs = dict(
        floats=floats, ints=ints, longs=longs, flags=flags, texts=texts
    )
    outputs = {f"same_{key}": tf.identity(x) for key, x in outputs.items()}
    return outputs | {"doubles": tf.cast(floats, tf.float64)}


@tf.function(
    input_signature=[
        tf.TensorSpec([None], tf.int32, "numbers"),
        tf.TensorSpec([None], tf.int32, "by"),
    ],
    autograph=False,
)
def divide(numbers, by):
    return {"quotients": numbers // by}


@pytest.fixture(scope="module")
def echo_folder(tmp_path_factory):
    """A version with variables, which a load has to find."""
    module = tf.Module()
    module.variable = tf.Variable(1)
    folder = str(tmp_path_factory.mktemp("echo") / "1")
    tf.saved_model.save(module, folder, {"echo": echo, "divide": divide})
    return folder


def test_arrays_arrive_whole(command, echo_folder):
    texts = [b"", b"\0", b"a b\n", b"\xff\xfe", b"y" * 23, b"z" * 10**5]
    inputs = {
        "floats": np.linspace(-1e30, np.pi, 36, dtype="f").reshape(3, 3, 4),
        "ints": np.array([-(2**31), 0, 2**31 - 1], np.int32),
        "longs": np.array([[-(2**63)], [2**63 - 1], [5]]),
        "flags": np.array([[True, False], [False, False], [True, True]]),
        "texts": np.array(texts, object).reshape(3, 2),
    }
    inputs["floats"][0, 0, :3] = np.nan, np.inf, -0.0
    request = Request("echo", inputs)
    requests = [request, request.without_rows(), request]
    answers = runners.ask(command, echo_folder, requests)
    assert failures(requests, answers) == []
    for asked, answer in zip(requests, answers, strict=True):
        for key, sent in asked.inputs.items():
            got = answer.outputs[f"same_{key}"]
            assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
            if sent.dtype == object:
                assert got.tolist() == sent.tolist()
            else:
                assert got.tobytes() == sent.tobytes()
        doubles = answer.outputs["doubles"]
        assert doubles.dtype == np.float64
        np.testing.assert_array_equal(doubles, asked.inputs["floats"])


def test_a_request_that_fails_leaves_the_next_ones(command, echo_folder):
    requests = [
        Request("divide", {"numbers": np.array([6, 9], "i"), "by": by})
        for by in np.array([[2, 3], [2, 0], [1, -3]], "i")
    ]
    answers = runners.ask(command, echo_folder, requests)
    assert answers[0].outputs["quotients"].tolist() == [3, 3]
    assert "division by zero" in answers[1].error
    assert answers[1].outputs is None
    assert answers[2].outputs["quotients"].tolist() == [6, -3]


def test_what_does_not_fit_the_signature_is_not_sent(command, echo_folder):
    request = Request("divide", {"numbers": np.array([1], np.int32)})
    with pytest.raises(ValueError, match="`divide` takes .*'by': 'int32'"):
        runners.ask(command, echo_folder, [request])


def test_a_damaged_version_is_refused(command, echo_folder, tmp_path):
    shutil.copytree(echo_folder, tmp_path / "1")
    (tmp_path / "1/variables/variables.index").write_bytes(b"")
    with pytest.raises(RuntimeError, match="file is too short"):
        runners.ask(command, tmp_path / "1", [])


def test_xla_is_disabled_as_in_a_stock_server(tmp_path):
    spec = tf.TensorSpec([None], tf.float32, "x")
    double = tf.function(lambda x: x * 2, jit_compile=True, autograph=False)
    serve = tf.function(
        lambda x: {"y": double(x)}, input_signature=[spec], autograph=False
    )
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), serve)
    request = Request("serving_default", {"x": np.ones([1], np.float32)})
    for name in PROGRAMS.keys() - {"session"}:
        (answer,) = runners.ask(PROGRAMS[name](), tmp_path / "1", [request])
        assert "XLA compilation disabled" in answer.error, name


@pytest.mark.parametrize(
    ("run", "program", "arguments", "foreign"),
    [
        (
            "run_path",
            runners.c_api()[1],
            [runners.OWN_LIBRARIES, "ops"],
            {"tensorflow", "numpy", "tools"},
        ),
        (
            "run_module",
            "tools.export_checks.run_session",
            ["nowhere"],
            {"gpt_keras", "tokenizers", "keras_nlp", "tensorflow_text"},
        ),
    ],
)
def test_the_programs_import_nothing_else(run, program, arguments, foreign):
    code = f"""if True:
        import atexit, runpy, sys
        atexit.register(lambda: print(*sys.modules))
        runpy.{run}({program!r}, run_name="__main__")
    """
    result = limited_process.run(
        [sys.executable, "-c", code, *arguments],
        cwd=runners.FOLDER.parents[1],
        capture_output=True,
        text=True,
    )
    imported = {x.split(".")[0] for x in result.stdout.split()}
    assert "time" in imported
    assert not imported & foreign

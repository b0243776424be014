"""Tests of the warm-up requests and of the file that TF Serving replays."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import check_settings
from gpt_keras.serving.warm_up import BATCH_SIZES
from gpt_keras.serving.warm_up import CACHE_BATCH_SIZES
from gpt_keras.serving.warm_up import MAX_RECORDS
from gpt_keras.serving.warm_up import NEW_TOKENS
from gpt_keras.serving.warm_up import NUM_BEAMS
from gpt_keras.serving.warm_up import WARM_UP_FILE
from gpt_keras.serving.warm_up import WarmUpRequest
from gpt_keras.serving.warm_up import example_inputs
from gpt_keras.serving.warm_up import make_warm_up
from gpt_keras.serving.warm_up import write_warm_up


def strings(name):
    return tf.TensorSpec([None], tf.string, name)


TOKENS = (
    tf.TensorSpec([None, None], tf.int32, "token_ids"),
    tf.TensorSpec([None], tf.int32, "lengths"),
)
SIGNATURES = {
    "serving_default": (strings("prompts"),),
    "complete": (
        strings("prompts"),
        SETTINGS_SPEC.max_new_tokens,
        SETTINGS_SPEC.temperature,
        SETTINGS_SPEC.seed,
    ),
    "generate": (strings("prompts"), *SETTINGS_SPEC),
    "beam": (strings("prompts"), SETTINGS_SPEC.max_new_tokens, *BEAM_SPEC),
    "step": (strings("state_bytes"), tf.TensorSpec([None], tf.int32, "steps")),
    "score": (strings("prompts"), strings("texts")),
    "logits": TOKENS,
    "tokenize": (strings("texts"),),
    "detokenize": TOKENS,
}


STATE = b"a\0\xff\0"  # NumPy's own strings would lose the last byte


def read(path):
    return [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("version") / WARM_UP_FILE
    requests = make_warm_up(SIGNATURES, state_bytes=STATE)
    write_warm_up(path, "gpt", requests)
    return read(path)


def test_every_signature_has_every_batch_size(records):
    found = []
    for record in records:
        request = record.predict_log.request
        assert request.model_spec.name == "gpt"
        sizes = {
            tensor.tensor_shape.dim[0].size
            for tensor in request.inputs.values()
        }
        found.append((request.model_spec.signature_name, *sizes))
    assert found == [
        (name, size)
        for name in SIGNATURES
        for size in (CACHE_BATCH_SIZES if name == "step" else BATCH_SIZES)
    ]


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_graph_takes_what_was_written(records, name):
    requests = [
        record.predict_log.request
        for record in records
        if record.predict_log.request.model_spec.signature_name == name
    ]
    function = tf.function(
        lambda *tensors: tensors,
        input_signature=SIGNATURES[name],
        autograph=False,
    )
    expected = make_warm_up({name: SIGNATURES[name]}, state_bytes=STATE)
    for request, (_, inputs) in zip(requests, expected, strict=True):
        names = [spec.name for spec in SIGNATURES[name]]
        assert sorted(request.inputs) == sorted(names)
        arrays = [tf.make_ndarray(request.inputs[name]) for name in names]
        for key, tensor in zip(names, function(*arrays), strict=True):
            assert tensor.numpy().tolist() == inputs[key].tolist(), key


def test_the_first_row_has_every_setting_on():
    inputs = example_inputs(SIGNATURES["generate"], 1)
    for name, setting in SETTINGS.items():
        default = setting.default
        if isinstance(default, str):
            default = default.encode()
        assert inputs[name][0] != default, name
        assert inputs[name].dtype == setting.dtype.as_numpy_dtype


def test_a_batch_has_valid_and_invalid_rows_greedy_and_drawn_ones():
    inputs = example_inputs(SIGNATURES["generate"], 4)
    prompts = inputs.pop("prompts").tolist()
    chosen = {name: tf.constant(inputs[name]) for name in SETTINGS}
    settings = GenerationSettings(**chosen)
    errors = check_settings(settings).numpy()
    assert [error == b"" for error in errors] == [True, True, False, True]
    assert b"`temperature`" in errors[2]
    assert {"", "stop", "roll"} >= {x.decode() for x in inputs["overflow"]}
    assert len(set(inputs["overflow"])) == 2
    assert inputs["temperature"].tolist()[1] == 0
    assert (inputs["temperature"] > 0).sum() == 2
    assert (inputs["max_new_tokens"] == NEW_TOKENS).all()
    assert b"" in prompts and b"\xff" in prompts


def test_a_limit_on_new_tokens_is_kept():
    for limit, expected in ((2, 2), (100, NEW_TOKENS)):
        ((_, inputs),) = make_warm_up(
            {"complete": SIGNATURES["complete"]}, [3], max_new_tokens=limit
        )
        assert inputs["max_new_tokens"].tolist() == [expected] * 3


def test_beams_are_several_one_and_invalid_and_keep_to_their_limit():
    inputs = example_inputs(SIGNATURES["beam"], 4)
    assert inputs["num_beams"].tolist() == [NUM_BEAMS, 1, 0, NUM_BEAMS]
    inputs = example_inputs(SIGNATURES["beam"], 4, max_beams=1)
    assert inputs["num_beams"].tolist() == [1, 1, 0, 1]


def test_ids_fit_the_smallest_model_but_in_the_invalid_row():
    inputs = example_inputs(TOKENS, 4)
    assert inputs["token_ids"].shape == (4, 2)
    assert inputs["token_ids"].max() == 1
    assert (inputs["token_ids"].min(1) < 0).tolist() == [0, 0, 1, 0]
    assert inputs["lengths"].tolist() == [2, 1, 2, 0]


@pytest.mark.parametrize(
    "spec, message",
    [
        (tf.TensorSpec([None], tf.string, "images"), "'images'"),
        (tf.TensorSpec([None], tf.int32, "prompts"), "fit its spec.*prompts"),
        (tf.TensorSpec([None], tf.int32, "temperature"), "fit its.*0.8"),
        (tf.TensorSpec([None], tf.float32, "top_k"), "fit its spec.*top_k"),
        (tf.TensorSpec([None, None], tf.string, "prompts"), "fit its spec"),
        (tf.TensorSpec([None], tf.int32, "token_ids"), "fit its spec"),
    ],
)
def test_an_input_without_a_fitting_example_is_an_error(spec, message):
    with pytest.raises(ValueError, match=message):
        make_warm_up({"new": (strings("prompts"), spec)})


def test_a_server_reads_no_more_than_a_thousand(tmp_path):
    request = WarmUpRequest("tokenize", {"texts": np.array([b"a"], object)})
    path = tmp_path / "records"
    with pytest.raises(ValueError, match="Received: 1001"):
        write_warm_up(path, "gpt", iter([request] * (MAX_RECORDS + 1)))
    assert not path.exists()
    write_warm_up(path, "gpt", [request] * MAX_RECORDS)
    assert len(read(path)) == MAX_RECORDS == 1000


def test_what_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        write_warm_up(tmp_path / "file" / "records", "gpt", [])
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="can't be written"):
        write_warm_up(
            tmp_path / "folder",
            "gpt",
            [WarmUpRequest("a", {"texts": np.array([b"a"], object)})],
        )


def test_a_state_is_kept_to_its_last_byte():
    inputs = example_inputs(SIGNATURES["step"], 3, state_bytes=STATE)
    assert inputs["state_bytes"].tolist() == [STATE, STATE, b"\xff"]

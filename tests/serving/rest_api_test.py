"""Tests of REST: what TF Serving's clients send, and everything wrong."""

import concurrent.futures
import gzip
import json
import math

import numpy as np
import pytest
from serving_testing import SPIN_FOREVER
from serving_testing import ask
from serving_testing import predict
from serving_testing import toy_config
from serving_testing import write_toy

from gpt_keras.serving.local_server import LocalServer

ROW = {"ids": [1, 2], "scale": 0.5, "negate": False}
MALFORMED = [
    "",
    "{",
    "[1",
    "no",
    "[]",
    '"instances"',
    "[" * 100_000,
    '{"instances": ' + "[" * 100_000,
    "{}",
    '{"instances": ["a"], "inputs": ["a"]}',
    '{"instances": []}',
    '{"instances": "a"}',
    '{"instances": ["a", ["b"]]}',
    '{"instances": [["a"], "b"]}',
    '{"instances": ["a", {"texts": "b"}]}',
    '{"instances": [{"texts": "a"}, "b"]}',
    '{"instances": [{"texts": "a", "more": 1}]}',
    '{"instances": [{}]}',
    '{"instances": [1]}',
    '{"instances": [null]}',
    '{"instances": [{"b64": "???"}]}',
    '{"instances": ["\\ud800"]}',
    '{"inputs": {"more": ["a"]}}',
    '{"inputs": {"texts": ["a"], "more": ["a"]}}',
    '{"inputs": "a"}',
    '{"inputs": [["a"]]}',
    '{"signature_name": 1, "instances": ["a"]}',
    '{"signature_name": "none", "instances": ["a"]}',
    '{"signature_name": "\\ud800", "instances": ["a"]}',
    '{"signature_name": "mix", "instances": ["a"]}',
    '{"signature_name": "spin", "instances": [1.0]}',
    '{"signature_name": "spin", "instances": [true]}',
    '{"signature_name": "spin", "instances": [2147483648]}',
    '{"signature_name": "spin", "instances": ["1"]}',
]
MIX_CHANGES = [
    {"ids": None},
    {"ids": 1},
    {"ids": [1.5]},
    {"ids": [[1]]},
    {"scale": "1"},
    {"scale": [1.0]},
    {"scale": True},
    {"negate": 0},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest") / "toy"
    folder.mkdir()
    write_toy(folder, 1)
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    config = toy_config(
        folder,
        max_request_bytes=300_000,
        rest_api_timeout_in_ms=1500,
        monitoring_config_file=str(monitoring),
    )
    with LocalServer(config) as server:
        yield server


@pytest.fixture(autouse=True)
def serves_afterwards(server):
    yield
    answer = (200, {"predictions": ["still here"]})
    assert predict(server, {"instances": ["still here"]}) == answer


def test_rows_come_back_as_predictions(server):
    answer = predict(server, {"instances": ["a", {"b64": "YQ=="}, "é\0"]})
    assert answer == (200, {"predictions": ["a", "a", "é\0"]})
    request = {"signature_name": "mix", "instances": [ROW, ROW]}
    row = {"ids": [1, 2], "raw_bytes": {"b64": "MC41MDAwMDA="}, "rows": 2}
    row |= {"totals": 1.5, "version": 1}
    assert predict(server, request) == (200, {"predictions": [row, row]})


def test_columns_come_back_as_outputs(server):
    for inputs in (["a"], {"texts": ["a"]}):
        assert predict(server, {"inputs": inputs}) == (200, {"outputs": ["a"]})
    columns = {"ids": [[1, 2]], "scale": [0.5], "negate": [True]}
    request = {"signature_name": "mix", "inputs": columns}
    status, answer = predict(server, request)
    assert status == 200
    assert answer["outputs"]["totals"] == [-1.5]
    request = {"inputs": {"texts": []}}
    assert predict(server, request) == (200, {"outputs": []})


def test_floats_are_written_as_tf_serving_writes_them(server):
    values = [0.1, 1 / 3, 1e-7, 3e30, 2.0, -0.0, math.nan, math.inf, -math.inf]
    columns = {"ids": [[1]] * 9, "scale": values, "negate": [False] * 9}
    body = json.dumps({"signature_name": "mix", "inputs": columns})
    _, body = ask(server, "POST", "/v1/models/toy:predict", body)
    totals = (
        b'"totals": [0.1, 0.333333343, 1e-07, 3e+30, 2.0, -0.0, NaN, Infinity, '
        b"-Infinity]"
    )
    assert totals in body


def test_bytes_that_are_not_utf_8_stay_what_they_are(server):
    body = b'\xef\xbb\xbf {"instances": ["\xff\xc3\xa9"]} and more'
    status, answer = ask(server, "POST", "/v1/models/toy:predict", body)
    assert status == 200 and b'"\xff\xc3\xa9"' in answer


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: body[:40])
def test_a_body_that_breaks_a_rule_is_told_it(server, body):
    status, answer = ask(server, "POST", "/v1/models/toy:predict", body)
    assert status == 400
    assert list(json.loads(answer)) == ["error"]
    assert 10 < len(json.loads(answer)["error"]) < 600


@pytest.mark.parametrize("change", MIX_CHANGES, ids=str)
def test_a_value_that_does_not_fit_is_named(server, change):
    (name,) = change
    rows = [ROW, ROW | change]
    status, answer = predict(
        server, {"signature_name": "mix", "instances": rows}
    )
    assert status == 400 and f"`{name}`" in answer["error"]
    rows = [{k: v for k, v in ROW.items() if k != name}]
    request = {"signature_name": "mix", "instances": rows}
    status, answer = predict(server, request)
    assert status == 400 and name in answer["error"]


def test_an_error_is_short(server):
    request = {"instances": [{"x" * 100_000: 1}]}
    status, answer = predict(server, request)
    assert status == 400 and len(answer["error"]) < 2100


def test_columns_must_have_the_same_number_of_rows(server):
    columns = {"ids": [[1]], "scale": [1.0, 2.0], "negate": [True] * 3}
    status, answer = predict(
        server, {"signature_name": "mix", "inputs": columns}
    )
    assert status == 400 and answer["error"]


def test_an_output_without_rows_can_only_be_a_column(server):
    request = {"signature_name": "large", "inputs": 2}
    assert predict(server, request) == (200, {"outputs": [[0, 0]]})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v1/models/toy/versions/2:predict", 404),
        ("POST", f"/v1/models/toy/versions/{10**30}:predict", 400),
        ("POST", "/v1/models/toy/labels/stable:predict", 400),
        ("POST", "/v1/models/toy/versions/1/labels/x:predict", 400),
        ("POST", "/v1/models/toy:classify", 501),
        ("POST", "/v1/models/toy:write", 400),
        ("POST", "/v1/models/toy", 400),
        ("POST", "/v1/models:predict", 400),
        ("POST", "/v2/models/toy:predict", 400),
        ("GET", "/v1/models/toy:predict", 400),
        ("PUT", "/v1/models/toy:predict", 400),
        ("HEAD", "/v1/models/toy", 400),
        ("BREW", "/v1/models/toy", 501),
        ("GET", "/v1/models", 400),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/other/metadata", 404),
        ("GET", "/v1/models/toy/versions/2", 404),
        ("GET", "/v1/models/toy/versions/x", 400),
        ("GET", "/v1/models/toy/labels/stable/metadata", 400),
        ("GET", "/nothing", 404),
        ("GET", "/monitoring", 404),
        ("GET", "/v1/models/toy", 200),
        ("GET", "/v1/models/toy/", 400),
        ("GET", "/V1/Models/toy/versions/1", 200),
        ("GET", "/v1/models/t%6Fy?x=1", 200),
    ],
)
def test_paths_and_methods(server, method, path, status):
    body = '{"instances": ["a"]}' if method == "POST" else None
    if path.startswith("/v2"):
        status = 404
    found, answer = ask(server, method, path, body)
    assert found == status
    if status != 200 and method != "HEAD":
        assert json.loads(answer)["error"]


def test_status_and_metadata_have_the_form_of_tf_serving(server):
    _, body = ask(server, "GET", "/v1/models/toy")
    ok = {"error_code": "OK", "error_message": ""}
    state = {"version": "1", "state": "AVAILABLE", "status": ok}
    assert json.loads(body) == {"model_version_status": [state]}
    _, body = ask(server, "GET", "/v1/models/toy/versions/1/metadata")
    answer = json.loads(body)
    spec = {"name": "toy", "signature_name": "", "version": "1"}
    assert answer["model_spec"] == spec
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == ["large", "mix", "serving_default", "spin"]
    ids = signatures["mix"]["inputs"]["ids"]
    assert ids["dtype"] == "DT_INT32"
    assert [dim["size"] for dim in ids["tensor_shape"]["dim"]] == ["-1", "-1"]


def test_a_request_too_large_is_refused(server):
    path = "/v1/models/toy:predict"
    status, answer = ask(server, "POST", path, b"x" * 300_001)
    assert status == 413 and "300000" in json.loads(answer)["error"]
    packed = gzip.compress(b'{"instances": ["' + b"a" * 300_000 + b'"]}')
    headers = {"Content-Encoding": "gzip"}
    assert ask(server, "POST", path, packed, **headers)[0] == 413


def test_a_packed_body_is_unpacked(server):
    path = "/v1/models/toy:predict"
    packed = gzip.compress(b'{"instances": ["a"]}')
    headers = {"Content-Encoding": "gzip"}
    assert ask(server, "POST", path, packed, **headers)[0] == 200
    assert ask(server, "POST", path, packed[:-9], **headers)[0] == 400
    assert ask(server, "POST", path, b"plain", **headers)[0] == 400
    headers = {"Content-Encoding": "br"}
    assert ask(server, "POST", path, packed, **headers)[0] == 400


def test_a_deadline_interrupts_the_run(server):
    request = {"signature_name": "spin", "instances": [SPIN_FOREVER]}
    status, answer = predict(server, request)
    assert status == 504 and answer["error"]


def test_threads_answer_at_once_what_they_would_alone(server):
    def one(index):
        row = ROW | {"scale": float(index)}
        request = {"signature_name": "mix", "instances": [row]}
        if index % 5 == 0:
            request["instances"] = [row | {"ids": "wrong"}]
        status, answer = predict(server, request)
        if index % 5 == 0:
            return status == 400
        return answer["predictions"][0]["totals"] == 3.0 * index

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(100)))


def test_prometheus_reads_counts_durations_and_states(server):
    predict(server, {"instances": ["a"]})
    predict(server, {"instances": [1]})
    status, body = ask(server, "GET", "/monitoring/prometheus/metrics")
    page = body.decode()
    assert status == 200
    lines = page.splitlines()
    counts = [x for x in lines if x.startswith(":tensorflow:serving:request_c")]
    assert {'status="OK"', 'status="INVALID_ARGUMENT"'} <= {
        x.split(",")[1].split("}")[0] for x in counts
    }
    state = 'model_name="toy",version="1",state="AVAILABLE"'
    assert f"gpt_keras_version_state{{{state}}} 1" in lines
    latency = ':tensorflow:serving:request_latency_bucket{model_name="toy",'
    latency += 'API="predict",entrypoint="REST",le='
    found = [int(x.split()[-1]) for x in lines if x.startswith(latency)]
    assert len(found) == 34 and found == sorted(found) and found[-1] > 0
    assert not np.any([x.count("unheard of") for x in lines])

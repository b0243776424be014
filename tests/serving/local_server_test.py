"""Tests of the whole server: versions, batches, limits, its end."""

import concurrent.futures
import json
import shutil
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from serving_testing import SPIN_FOREVER
from serving_testing import ask
from serving_testing import predict
from serving_testing import toy_config
from serving_testing import warm_up_request
from serving_testing import write_toy

from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig

MIX = {
    "signature_name": "mix",
    "instances": [{"ids": [1], "scale": 1.0, "negate": False}],
}
SPIN = {"signature_name": "spin", "instances": [SPIN_FOREVER]}
CONFIG = """
model_config_list {{ config {{
  name: "toy" base_path: "{folder}" model_platform: "tensorflow"
  model_version_policy {{ {policy} }}
  {labels}
}} }}
"""


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Folders of two versions, for tests to copy."""
    folder = tmp_path_factory.mktemp("versions") / "toy"
    folder.mkdir()
    write_toy(folder, 1, [warm_up_request()])
    write_toy(folder, 2)
    return folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def publish(versions, folder, number):
    """Puts a version where a server looks, whole at once."""
    shutil.copytree(versions / str(number), folder / ".writing")
    (folder / ".writing").rename(folder / str(number))


def write_config(folder, policy, **labels):
    path = folder.parent / "models.config"
    text = CONFIG.format(
        folder=folder,
        policy=policy,
        labels="\n".join(
            f'version_labels {{ key: "{label}" value: {version} }}'
            for label, version in labels.items()
        ),
    )
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)
    return str(path)


def _version(server, path="/v1/models/toy:predict"):
    status, answer = predict(server, MIX, path)
    assert status == 200, answer
    return answer["predictions"][0]["version"]


def test_versions_come_and_go_under_load(versions, folder):
    publish(versions, folder, 1)
    config = toy_config(
        folder, file_system_poll_wait_seconds=0.05, enable_batching=True
    )
    stop = threading.Event()
    with LocalServer(config) as server:

        def ask_on():
            seen = []
            while not stop.wait(0.01):
                seen.append(_version(server))
            return seen

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            clients = [pool.submit(ask_on) for _ in range(3)]
            try:
                publish(versions, folder, 2)
                _wait_until(lambda: _version(server) == 2)
                shutil.rmtree(folder / "2")
                _wait_until(lambda: _version(server) == 1)
            finally:  # or the pool waits for its threads for ever
                stop.set()
            seen = [client.result(timeout=20) for client in clients]
    assert {1, 2} == set(sum(seen, []))


def _wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_labels_move_by_the_configuration_file(versions, folder):
    publish(versions, folder, 1)
    one, both = "specific { versions: 1 }", "all {}"
    path = write_config(folder, one, stable=1)
    settings = dict(
        model_config_file=path,
        rest_api_port=0,
        port=OFF,
        file_system_poll_wait_seconds=0.0,
    )
    with pytest.raises(ValueError, match="allow_version_labels"):
        LocalServer(ServerConfig(**settings))
    config = ServerConfig(
        **settings,
        allow_version_labels_for_unavailable_models=True,
        model_config_file_poll_wait_seconds=0.02,
    )
    with LocalServer(config) as server:
        labelled = "/v1/models/toy/labels/stable:predict"
        assert _version(server, labelled) == 1
        publish(versions, folder, 2)
        # Refused until it is loaded, and nothing is lost by that.
        write_config(folder, one, stable=2)
        time.sleep(0.1)
        assert _version(server, labelled) == 1
        write_config(folder, both, stable=1)
        _wait_until(lambda: _version(server) == 2)
        assert _version(server, labelled) == 1
        write_config(folder, both, stable=2)
        _wait_until(lambda: _version(server, labelled) == 2)
        write_config(folder, both, stable=1)
        _wait_until(lambda: _version(server, labelled) == 1)
        (folder.parent / "models.config").write_text("half a fi")
        time.sleep(0.1)
        assert _version(server, labelled) == 1


def test_a_warm_up_request_that_fails_stops_the_load(versions, folder):
    publish(versions, folder, 1)
    wrong = warm_up_request(scale=np.zeros(2, np.float32), negate=[True] * 3)
    write_toy(folder, 3, [warm_up_request(), wrong])
    with pytest.raises(ValueError, match="Warm-up request 1 failed"):
        LocalServer(toy_config(folder))
    with LocalServer(toy_config(folder, enable_model_warmup=False)):
        pass
    shutil.move(folder / "3", folder.parent / "3")
    with LocalServer(toy_config(folder)) as server:
        shutil.move(folder.parent / "3", folder / "3")
        server.update()
        _, body = ask(server, "GET", "/v1/models/toy/versions/3")
        (state,) = json.loads(body)["model_version_status"]
        assert state["state"] == "LOADING"  # it is tried again
        assert "Warm-up" in state["status"]["error_message"]
        assert _version(server) == 1


def test_a_folder_that_is_no_model_is_told(folder):
    with pytest.raises(ValueError, match="'toy' must have a version"):
        LocalServer(toy_config(folder))
    (folder / "1").mkdir()
    with pytest.raises(ValueError, match="1: .*SavedModel file"):
        LocalServer(toy_config(folder))


def test_a_graph_for_xla_is_refused(folder):
    module = tf.Module()
    module.call = tf.function(
        lambda x: {"y": x * 2},
        input_signature=[tf.TensorSpec([None], tf.float32, "x")],
        jit_compile=True,
        autograph=False,
    )
    tf.saved_model.save(module, str(folder / "1"), signatures=module.call)
    with pytest.raises(ValueError, match="XLA"):
        LocalServer(toy_config(folder))


def test_requests_share_batches(versions, folder):
    publish(versions, folder, 1)
    parameters = folder / "batching_parameters.txt"
    parameters.write_text(
        "max_batch_size { value: 4 } batch_timeout_micros { value: 10000000 }"
        "pad_variable_length_inputs: true num_batch_threads { value: 1 }"
    )
    config = toy_config(
        folder, enable_batching=True, batching_parameters_file=str(parameters)
    )

    def one(index):
        row = {"ids": list(range(index + 1)), "scale": 1.0, "negate": False}
        request = MIX | {"instances": [row]}
        return predict(server, request)[1]["predictions"][0]

    with LocalServer(config) as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(one, range(4)))
        assert [a["rows"] for a in answers] == [4] * 4
        # Rows are filled up with their first value, here 0.
        assert [a["totals"] for a in answers] == [0.0, 1.0, 3.0, 6.0]
        status, answer = predict(server, {"instances": ["a"] * 5})
        assert status == 400 and "max_batch_size" in answer["error"]


def test_too_many_requests_are_told_to_come_back(versions, folder):
    publish(versions, folder, 1)
    config = toy_config(
        folder,
        max_in_flight_requests=1,
        max_requests_per_second=3.0,
        rest_api_timeout_in_ms=700,
    )
    with LocalServer(config) as server:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(predict, server, SPIN)
            _wait_until(lambda: server._admission.in_flight)
            status, answer = predict(server, MIX)
            assert status == 503 and answer["error"]
            assert ask(server, "GET", "/v1/models/toy")[0] == 200
            assert running.result(60)[0] == 504
        _wait_until(lambda: not server._admission.in_flight)
        statuses = [predict(server, MIX)[0] for _ in range(5)]
        assert set(statuses) == {200, 429}
        time.sleep(0.5)
        assert predict(server, MIX)[0] == 200


def test_closing_answers_what_runs_and_interrupts_what_does_not_end(
    versions, folder
):
    publish(versions, folder, 1)
    server = LocalServer(toy_config(folder, port=0))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        steps = {"signature_name": "spin", "instances": [60_000]}
        running = pool.submit(predict, server, steps)
        _wait_until(lambda: server._admission.in_flight)
        server.close()
        assert running.result(60) == (200, {"predictions": [60_000]})
    with pytest.raises(ConnectionError):
        ask(server, "GET", "/v1/models/toy")
    server.close()  # a second time is nothing
    server = LocalServer(toy_config(folder, shutdown_grace_seconds=0.2))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = pool.submit(predict, server, SPIN)
        _wait_until(lambda: server._admission.in_flight)
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 10
        with pytest.raises(OSError):
            running.result(60)


def test_a_port_that_is_taken_is_told(versions, folder):
    publish(versions, folder, 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for setting in ({"rest_api_port": port}, {"port": port}):
            with pytest.raises(OSError):
                LocalServer(toy_config(folder, **setting))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model_base_path": "a", "model_config_file": "b"},
        {"model_base_path": "a", "batching_parameters_file": "b"},
        {"model_base_path": "a", "port": OFF, "rest_api_port": OFF},
        {"model_base_path": "a", "port": -2},
        {"model_base_path": "a", "rest_api_port": 65536},
        {"model_base_path": "a", "grpc_max_message_bytes": 2**31},
        {"model_base_path": "a", "max_request_bytes": 0},
        {"model_base_path": "a", "max_requests_per_second": float("nan")},
    ],
    ids=str,
)
def test_settings_that_break_a_rule_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        ServerConfig(**settings)


@pytest.mark.parametrize("name", ["a/b", "a:b"])
def test_a_name_that_no_path_can_hold_is_refused(folder, name):
    with pytest.raises(ValueError, match="--model_name"):
        LocalServer(toy_config(folder, model_name=name))


def test_files_that_break_a_rule_are_refused(versions, folder):
    wrong = folder / "wrong"
    wrong.write_text("wrong: 1")
    for settings in (
        {"monitoring_config_file": str(wrong)},
        {"enable_batching": True, "batching_parameters_file": str(wrong)},
    ):
        with pytest.raises(ValueError, match="text format"):
            LocalServer(toy_config(versions, **settings))

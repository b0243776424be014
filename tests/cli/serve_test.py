"""Tests of the program that serves, in a process of its own."""

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import limited_process
import pytest
from serving_testing import ask
from serving_testing import predict
from serving_testing import write_toy

from gpt_keras.cli import program
from gpt_keras.cli import serve
from gpt_keras.serving.server_config import ServerConfig

RUN = "from gpt_keras.cli import serve; serve.run()"


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Returns a function that starts the program."""
    with contextlib.ExitStack() as stack:

        def start_one(*arguments):
            process = limited_process.started(
                [sys.executable, "-c", RUN, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            return stack.enter_context(process)

        yield start_one


def test_it_serves_until_sigterm_and_answers_what_runs(tmp_path, start):
    folder = tmp_path / "toy"
    folder.mkdir()
    write_toy(folder, 1)
    port = _free_port()
    process = start(
        f"--model_base_path={folder}",
        f"--rest_api_port={port}",
        "--port=0",
    )
    lines = [process.stdout.readline() for _ in range(4)]
    assert "Production is TensorFlow Serving" in lines[1]
    assert lines[2] == f"REST http://127.0.0.1:{port}/v1/models/toy\n"
    assert lines[3] == f"Playground http://127.0.0.1:{port}/\n"
    server = SimpleNamespace(rest_port=port)
    assert ask(server, "GET", "/v1/models/toy")[0] == 200
    spin = {"signature_name": "spin", "instances": [400_000]}
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        socket.create_connection(("127.0.0.1", port), 60) as idle,
    ):
        idle.sendall(b"POST /v1/models/toy")  # and no more
        running = pool.submit(predict, server, spin)
        assert not concurrent.futures.wait([running], 0.2).done
        process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        assert running.result(60) == (200, {"predictions": [400_000]})
    assert process.wait(timeout=30) == 0
    with pytest.raises(ConnectionError):
        ask(server, "GET", "/v1/models/toy")


def test_the_flags_are_the_configuration_s():
    values = program.parse(
        serve.define_flags, "--model_base_path=a", "--port=0"
    )
    config = serve._config(values)
    assert config == ServerConfig("a", port=-1)
    assert config.host == "127.0.0.1"


def test_wrong_flags_are_told(tmp_path):
    for arguments in (
        [],
        ["--model_base_path=a", "--model_config_file=b"],
        ["--model_base_path=a", "--port=0", "--rest_api_port=0"],
        [f"--model_base_path={tmp_path}"],
        [f"--model_config_file={tmp_path}/none"],
    ):
        values = program.parse(serve.define_flags, *arguments)
        with pytest.raises((ValueError, OSError)):
            serve.main(values)

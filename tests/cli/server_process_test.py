"""Tests of `gpt_keras.cli.server_process`: one server, upgraded."""

import pytest
from serving_testing import write_toy

from gpt_keras.cli import server_process
from gpt_keras.cli.server_process import MODEL_NAME
from gpt_keras.cli.server_process import ServerProcess
from gpt_keras.cli.upgrade_under_load import Upgrade
from gpt_keras.serving.client import Client


def test_a_version_is_served_upgraded_and_rolled_back(tmp_path):
    (tmp_path / "server").mkdir()
    (tmp_path / "toy").mkdir()
    version_dir = write_toy(tmp_path / "toy", 1)
    with ServerProcess(tmp_path / "server", version_dir) as server:
        with Client(server.servers["gRPC"], MODEL_NAME) as client:
            echoed = client.predict("serving_default", {"texts": ["猫"]})
            assert echoed == {"texts": ["猫"]}
        assert server.memory() is None or server.memory() > 2**20
        upgrade = Upgrade(server, seconds=0.1)
        upgrade.run()
        assert upgrade.is_right and len(upgrade.steps) == 4
        assert server.stop() == 0


def test_a_server_that_can_t_start_tells_why(tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(server_process, "_PROGRAM", "exit('no luck')")
    server = ServerProcess(tmp_path / "server", tmp_path / "empty")
    with pytest.raises(ChildProcessError, match="Its log ends:\nno luck"):
        with server:
            pass

"""A version folder comes in, a local server in a process of its own goes out.

The server watches a folder of its own, in which versions are published as an
export does, and a `models.config` that says which of them serve.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from gpt_keras.files import write_atomically
from gpt_keras.serving.client import Client
from gpt_keras.serving.client_errors import CallError

MODEL_NAME = "measured"
_PROGRAM = "from gpt_keras.cli import serve; serve.run()"
_SHOWN = 2000  # characters of the log of a server that failed


class ServerProcess:
    """A local server with one model, `MODEL_NAME`.

    Args:
        directory: Of its files; it must exist and be empty.
        version_dir: The version that is served as 1.
        flags: More flags for `tools.serve`.

    Attributes:
        servers: Its addresses, `{"REST": …, "gRPC": …}`.
    """

    def __init__(self, directory, version_dir, flags: Sequence[str] = ()):
        self._directory = pathlib.Path(directory)
        self._version_dir = version_dir
        self._config = self._directory / "models.config"
        ports = _free_ports(2)
        self.servers = {
            "REST": f"http://127.0.0.1:{ports[0]}",
            "gRPC": f"127.0.0.1:{ports[1]}",
        }
        self.publish(1)
        self.configure([1], {"stable": 1})
        self._command = [
            *(sys.executable, "-c", _PROGRAM),
            f"--model_config_file={self._config}",
            f"--rest_api_port={ports[0]}",
            f"--port={ports[1]}",
            "--model_config_file_poll_wait_seconds=0.2",
            "--file_system_poll_wait_seconds=0.2",
            "--rest_api_timeout_in_ms=600000",
            "--allow_version_labels_for_unavailable_models",
            *flags,
        ]
        self._process: Any = None

    def __enter__(self) -> "ServerProcess":
        log = open(self._directory / "server.log", "wb")  # noqa: SIM115
        with log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env={
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                },
            )
        try:
            self._wait_until_it_serves()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *unused) -> None:
        self.stop()

    def stop(self) -> int:
        """Ends it as an operator does; returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def publish(self, version: int) -> None:
        """Puts a copy of the version folder beside the others, at once."""
        folder = self._directory / MODEL_NAME
        folder.mkdir(exist_ok=True)
        written = folder / f".writing-{version}"
        shutil.copytree(self._version_dir, written, copy_function=_link)
        os.rename(written, folder / str(version))

    def configure(self, versions, labels: Mapping[str, int]) -> None:
        """Says which versions serve, and their labels."""
        lines = [
            "model_config_list { config {",
            f'name: "{MODEL_NAME}"',
            f'base_path: "{(self._directory / MODEL_NAME).resolve()}"',
            'model_platform: "tensorflow"',
            "model_version_policy { specific {",
            *(f"versions: {version}" for version in versions),
            "} }",
            *(
                f'version_labels {{ key: "{label}" value: {version} }}'
                for label, version in labels.items()
            ),
            "} }",
        ]
        write_atomically(self._config, "\n".join(lines) + "\n")

    def memory(self) -> int | None:
        """Returns the bytes that its process has resident, if Linux says."""
        path = pathlib.Path(f"/proc/{self._process.pid}/status")
        with contextlib.suppress(OSError):
            for line in path.read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return None

    def _wait_until_it_serves(self, seconds=600):
        end = time.monotonic() + seconds
        with Client(self.servers["REST"], MODEL_NAME, timeout=5.0) as client:
            while time.monotonic() < end:
                if self._process.poll() is not None:
                    break
                with contextlib.suppress(CallError):
                    if client.status()[0].state == "AVAILABLE":
                        return
                time.sleep(0.1)
        log = (self._directory / "server.log").read_text(errors="replace")
        raise ChildProcessError(
            f"The server does not serve {self._version_dir}. Its log ends:\n"
            f"{log[-_SHOWN:]}"
        )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _link(source, target):
    """Links a file, or copies it where the disk is another."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

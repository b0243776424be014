"""A server comes in, its model's upgrade and roll-back, step by step, goes out.

The steps are those of docs/serving.md.
"""

import time

from gpt_keras.cli.server_process import MODEL_NAME
from gpt_keras.cli.server_process import ServerProcess
from gpt_keras.serving.client import Client
from gpt_keras.serving.client_errors import CallError

LABEL = "stable"
_STEPS = (  # what, the versions that serve, their labels
    ("version 2 is loaded", (1, 2), {LABEL: 1, "canary": 2}),
    ("it has the label", (1, 2), {LABEL: 2, "canary": 2}),
    ("rolled back", (1, 2), {LABEL: 1, "canary": 2}),
    ("version 2 is gone", (1,), {LABEL: 1}),
)
_PATIENCE = 600.0  # seconds for a step


class Upgrade:
    """Publishes version 2, moves the label there and back, takes it away.

    Args:
        server: With version 1, which has the label.
        seconds: Of the load, over which the steps are spread; each waits
            until the server has followed the one before.

    Attributes:
        steps: What was done, after how many seconds the server had followed,
            and which version had the label then.
    """

    def __init__(self, server: ServerProcess, seconds: float):
        self._server = server
        self._pause = seconds / (len(_STEPS) + 1)
        self.steps = []

    @property
    def is_right(self) -> bool:
        """Whether the label was where each step put it."""
        expected = [labels[LABEL] for *_, labels in _STEPS]
        return [version for *_, version in self.steps] == expected

    def run(self) -> None:
        """Does all steps."""
        start = time.monotonic()
        for index, (what, versions, labels) in enumerate(_STEPS):
            time.sleep(self._pause)
            if index == 0:
                self._server.publish(2)
            self._server.configure(versions, labels)
            version = self._followed(versions, labels[LABEL])
            self.steps.append((what, time.monotonic() - start, version))
        time.sleep(self._pause)

    def _followed(self, versions, expected):
        """Returns the version of the label, when all is as configured."""
        end = time.monotonic() + _PATIENCE
        version = None
        server = self._server.servers["REST"]
        with (
            Client(server, MODEL_NAME) as model,
            Client(server, MODEL_NAME, label=LABEL) as labelled,
        ):
            while time.monotonic() < end:
                try:
                    version = labelled.metadata().version
                    states = model.status()
                except CallError:
                    states = []
                serving = {
                    one.version for one in states if one.state == "AVAILABLE"
                }
                if version == expected and serving == {*versions}:
                    break
                time.sleep(0.1)
        return version

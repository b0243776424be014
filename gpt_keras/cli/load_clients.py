"""Requests and a server come in, what many clients saw of it goes out."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from gpt_keras.cli.load_requests import GoodRequest
from gpt_keras.cli.load_requests import bad_requests
from gpt_keras.serving.client import Client
from gpt_keras.serving.client_retries import Retries

NEVER = Retries(times=0)  # a request that fails once is seen to fail
_SHOWN = 5  # different errors


@dataclass
class Seen:
    """What the clients of one transport saw.

    Attributes:
        seconds: Of each good request that was answered.
        rows: How many rows they had.
        tokens: How many were written.
        changed: Good requests whose answer differs from the reference.
        failed: Good requests without an answer.
        errors: How often each of their errors came.
        refused: Bad requests that were refused as they must be.
        not_refused: By what is wrong with it, how often a bad one was not.
    """

    seconds: list[float] = field(default_factory=list)
    rows: int = 0
    tokens: int = 0
    changed: int = 0
    failed: int = 0
    errors: Counter = field(default_factory=Counter)
    refused: int = 0
    not_refused: Counter = field(default_factory=Counter)

    def add(self, other: "Seen") -> None:
        """Adds what another client saw."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def is_right(self) -> bool:
        """Whether nothing failed and nothing changed."""
        wrong = self.failed or self.changed or self.not_refused
        return bool(self.seconds) and not wrong

    def percentile(self, share: float) -> float:
        """Returns the seconds that so large a share of answers took."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class LoadClients:
    """Many clients at once, each with one request at a time.

    Args:
        servers: Address by transport; the clients take them in turn.
        model_name: Of the model.
        requests: The good requests.
        references: Their answers.
        count: How many clients.
        bad_share: Of the requests.
        timeout: Seconds for each request.
        label: Every other client asks for the version with this label, if
            any.
    """

    def __init__(
        self,
        servers: dict[str, str],
        model_name: str,
        requests: Sequence[GoodRequest],
        references,
        count: int,
        bad_share: float,
        timeout: float,
        label: str | None = None,
    ):
        self._servers = servers
        self._model_name = model_name
        self._requests = requests
        self._references = references
        self._bad_share = bad_share
        self._timeout = timeout
        self._label = label
        self._done = threading.Event()
        transports = list(servers)
        self._seen = [
            (transports[index % len(transports)], Seen())
            for index in range(count)
        ]

    def run(
        self, seconds: float, during: Callable[[], None] | None = None
    ) -> tuple[float, dict[str, Seen]]:
        """Asks for so long, then waits for what is under way.

        Args:
            seconds: How long at least.
            during: Is called meanwhile; the load lasts until it returns.

        Returns:
            The seconds that it took, and what was seen by transport.
        """
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._ask, args=(index, *one))
            for index, one in enumerate(self._seen)
        ]
        for thread in threads:
            thread.start()
        try:
            if during is not None:
                during()
            time.sleep(max(0.0, start + seconds - time.monotonic()))
        finally:
            self._done.set()
            for thread in threads:
                thread.join()
        elapsed = time.monotonic() - start
        total = {name: Seen() for name in self._servers}
        for name, seen in self._seen:
            total[name].add(seen)
        return elapsed, total

    def _ask(self, index, transport, seen):
        chance = random.Random(index)
        server = self._servers[transport]
        bad = bad_requests(transport, server, self._model_name, self._timeout)
        is_labelled = self._label is not None and index // 2 % 2
        with Client(
            server,
            self._model_name,
            label=self._label if is_labelled else None,
            timeout=self._timeout,
            retries=NEVER,
        ) as client:
            while not self._done.is_set():
                if chance.random() < self._bad_share:
                    _ask_bad(client, *chance.choice(list(bad.items())), seen)
                else:
                    number = chance.randrange(len(self._requests))
                    self._ask_good(client, number, seen)

    def _ask_good(self, client, number, seen):
        start = time.monotonic()
        try:
            rows = self._requests[number].send(client)
        except Exception as error:
            seen.failed += 1
            if len(seen.errors) < _SHOWN:
                seen.errors[f"{type(error).__name__}: {error}"[:300]] += 1
            return
        seen.seconds.append(time.monotonic() - start)
        seen.rows += len(rows)
        seen.tokens += sum(len(token_ids) for _, token_ids, *_ in rows)
        seen.changed += rows != self._references[number]


def _ask_bad(client, name, send, seen):
    try:
        is_refused = send(client)
    except Exception as error:
        name, is_refused = f"{name}: {type(error).__name__}: {error}", False
    if is_refused:
        seen.refused += 1
    else:
        seen.not_refused[name[:300]] += 1

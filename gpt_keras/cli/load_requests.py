"""A random generator comes in, good and bad requests for a server go out.

A good one has the answer that it got alone, one after another, as reference.
A bad one is refused; which one and how it is sent differ by transport.
"""

import http.client
import json
import random
import urllib.parse
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from gpt_keras.serving.client import Client
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import NotFoundError

_PROMPTS = ("The ", "", "A list of", "模型 is", "It was a dark night. " * 20)
_SETTINGS = (
    {"temperature": 0.0},
    {"temperature": 0.8, "top_k": 40},
    {"temperature": 1.3, "top_p": 0.9},
    {"min_p": 0.05, "repetition_penalty": 1.2},
    {"frequency_penalty": 0.5, "presence_penalty": 0.2},
    {"no_repeat_ngram": 3, "overflow": "roll"},
    {"stop": ["\n\n", "."], "banned": ["the", "猫"]},
)


class GoodRequest(NamedTuple):
    """Rows for the signature `generate`.

    Attributes:
        prompts: Of each row.
        settings: For all of them, or for each.
    """

    prompts: list[str]
    settings: dict[str, Any]

    def send(self, client: Client) -> list[tuple]:
        """Returns of each row what must not change."""
        rows = client.generate(self.prompts, **self.settings)
        return [
            (row.text_bytes, row.token_ids, row.finish_reason, row.error)
            for row in rows
        ]


def good_requests(count: int, new_tokens: int) -> list[GoodRequest]:
    """Returns requests of one or two rows, the same ones each time.

    Args:
        count: How many.
        new_tokens: The most tokens of a row; most ask for fewer.
    """
    chance = random.Random(0)
    return [
        GoodRequest(
            chance.choices(_PROMPTS, k=rows),
            {
                **chance.choice(_SETTINGS),
                "seed": [chance.randrange(2**40) for _ in range(rows)],
                "max_new_tokens": [
                    chance.randint(1, new_tokens) for _ in range(rows)
                ],
            },
        )
        for rows in (chance.randint(1, 2) for _ in range(count))
    ]


def bad_requests(
    transport: str, server: str, model_name: str, timeout: float
) -> dict[str, Callable[[Client], bool]]:
    """Returns requests that must be refused, by what is wrong with them.

    Each takes a client and returns whether it was refused as it must be.

    Args:
        transport: `"REST"` or `"gRPC"`.
        server: Its address.
        model_name: Of the model.
        timeout: Seconds for each.
    """
    found = {
        "a row's setting is invalid": _invalid_row,
        "the signature is unknown": _refused("nothing", {"prompts": ["a"]}),
        "rows are unequal": _refused(
            "score", {"prompts": ["a", "b"], "texts": ["c"]}
        ),
        "an input is missing": _refused("score", {"prompts": ["a"]}),
        "the version is unknown": _chosen(server, model_name, version=99),
        "the label is unknown": _chosen(server, model_name, label="nothing"),
    }
    if transport == "REST":
        send = _RawRest(server, model_name, timeout)
        found |= {
            "malformed JSON": lambda client: send(b'{"inputs": ') == 400,
            "a wrong type": lambda client: send(_WRONG_TYPE) == 400,
            "a client that hangs up": lambda client: send.hang_up(),
        }
    return found


_WRONG_TYPE = json.dumps(
    {"signature_name": "tokenize", "inputs": {"texts": [1.5]}}
).encode()


def _invalid_row(client: Client) -> bool:
    """The row has its error, and its neighbour an answer."""
    bad, good = client.generate(
        ["a", "a"], temperature=[-1.0, 0.0], max_new_tokens=2
    )
    return bool(bad.error) and not good.error


def _refused(signature, inputs):
    def send(client: Client) -> bool:
        try:
            client.predict(signature, inputs)
        except (InvalidRequestError, NotFoundError) as error:
            return bool(error.message)
        return False

    return send


def _chosen(server, model_name, **spec):
    def send(client: Client) -> bool:
        with Client(server, model_name, **spec) as other:
            return _refused("tokenize", {"texts": ["a"]})(other)

    return send


class _RawRest:
    """Sends bodies as they are; returns the status of the answer."""

    def __init__(self, server, model_name, timeout):
        self._address = urllib.parse.urlsplit(server).netloc
        self._path = f"/v1/models/{model_name}:predict"
        self._timeout = timeout

    def __call__(self, body: bytes) -> int:
        connection = self._connection()
        try:
            connection.request("POST", self._path, body)
            response = connection.getresponse()
            is_told = "error" in json.loads(response.read())
            return response.status if is_told else 0
        finally:
            connection.close()

    def hang_up(self) -> bool:
        """Leaves in the middle of a request, which gets no answer."""
        connection = self._connection()
        connection.putrequest("POST", self._path)
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"inputs"')
        connection.close()
        return True

    def _connection(self):
        return http.client.HTTPConnection(self._address, timeout=self._timeout)

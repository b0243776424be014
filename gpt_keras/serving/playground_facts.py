"""HTTP paths come in, what the playground's page shows of models goes out."""

import json
import os
import re
import urllib.parse

from tensorflow_serving.apis import model_pb2

from gpt_keras.serving.http_messages import HttpResponse
from gpt_keras.serving.model_card import CARD_JSON
from gpt_keras.serving.model_requests import ModelRequests
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError

MODELS_PATH = "/playground/models"
_CARD = re.compile(
    rf"{MODELS_PATH}/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d{1,18}))?/card",
    re.ASCII,
)
_MAX_CARD_BYTES = 2**22


def playground_facts(requests: ModelRequests, path: str) -> HttpResponse | None:
    """Answers a GET.

    Args:
        requests: Knows the models.
        path: `/playground/models` for their names, or
            `/playground/models/NAME[/versions/V]/card` for the model card of
            a version that is loaded.

    Returns:
        The response, JSON; None if the path is another one.

    Raises:
        ServingError: `NOT_FOUND`, there is no such version, or it has no
            card.
    """
    if path == MODELS_PATH:
        return _json({"models": requests.names()})
    match = _CARD.fullmatch(path)
    if match is None:
        return None
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(match["name"]))
    if match["version"]:
        spec.version.value = int(match["version"])
    with requests.use(spec) as use:
        return _json(_card(use.path))


def _card(folder):
    try:
        with open(os.path.join(folder, CARD_JSON), "rb") as file:
            return json.loads(file.read(_MAX_CARD_BYTES))
    except (OSError, ValueError):
        raise ServingError(
            Code.NOT_FOUND, "This version has no model card."
        ) from None


def _json(value):
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(200, body + b"\n", headers=headers)

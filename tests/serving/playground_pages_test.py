"""Tests of the playground's page as HTTP: files, headers, limits, facts."""

import http.client
import json
import pathlib
import re

import pytest
from serving_testing import ask
from serving_testing import predict
from serving_testing import toy_config
from serving_testing import write_toy

from gpt_keras.serving import playground_pages
from gpt_keras.serving.local_server import LocalServer

FOLDER = pathlib.Path(playground_pages.__file__).parent / "playground"
NAMES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "toy"
    folder.mkdir()
    write_toy(folder, 1)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    config = toy_config(folder, playground_servers="http://tf-serving:8501")
    with LocalServer(config) as server:
        yield server


def _ask(server, method, path, **headers):
    """Returns status, headers by lower-case name, and body."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.rest_port, timeout=20
    )
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    body = response.read()
    connection.close()
    return response.status, found, body


def test_every_file_is_served_with_its_type_and_policy(server):
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for name in ["", *NAMES]:
        if name == "index.html":
            continue  # it is the root
        status, headers, body = _ask(server, "GET", f"/{name}")
        assert status == 200, name
        assert body == (FOLDER / (name or "index.html")).read_bytes()
        kind = types.get(name.rpartition(".")[2], "text/html")
        assert headers["content-type"].split(";")[0] == kind
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "connect-src 'self' http://tf-serving:8501" in policy
        assert "unsafe" not in headers["content-security-policy"]


def test_head_has_the_head_of_get_and_a_known_tag_gets_nothing(server):
    _, headers, body = _ask(server, "GET", "/playground.js")
    status, head, nothing = _ask(server, "HEAD", "/playground.js")
    assert (status, nothing) == (200, b"")
    assert head == headers
    assert head["content-length"] == str(len(body))
    assert headers["cache-control"] == "no-cache"
    for tags in (headers["etag"], f'"x", W/{headers["etag"]}', "*"):
        known = {"If-None-Match": tags}
        status, _, nothing = _ask(server, "GET", "/playground.js", **known)
        assert (status, nothing) == (304, b"")
    known = {"If-None-Match": '"x"'}
    assert _ask(server, "GET", "/playground.js", **known)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(server, method):
    status, headers, body = _ask(server, method, "/")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert method in json.loads(body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/../rest_api.py",
        "/playground/../rest_api.py",
        "/%2e%2e/rest_api.py",
        "/BUILD",
        "/playground/models/toy",
        "/playground/models/other/card",
        "/playground/models/toy/versions/2/card",
    ],
)
def test_nothing_else_is_served(server, path):
    status, body = ask(server, "GET", path)
    assert status == 404
    assert json.loads(body)["error"]


def test_the_page_is_there_while_predictions_are_not_let_in(folder):
    with LocalServer(toy_config(folder, max_requests_per_second=1e-3)) as full:
        statuses = {predict(full, {"instances": ["a"]})[0] for _ in range(3)}
        assert 429 in statuses
        assert ask(full, "GET", "/")[0] == 200


def test_the_switch_turns_page_and_facts_off(folder):
    with LocalServer(toy_config(folder, playground=False)) as server:
        for path in ("/", "/playground.js", "/playground/models"):
            assert ask(server, "GET", path)[0] == 404
        assert ask(server, "GET", "/v1/models/toy")[0] == 200


def test_models_are_named_and_a_card_is_the_version_s(server, folder):
    status, body = ask(server, "GET", "/playground/models")
    assert (status, json.loads(body)) == (200, {"models": ["toy"]})
    assert ask(server, "GET", "/playground/models/toy/card")[0] == 404
    card = {"name": "</script>", "limits": {"max_length": 7}}
    extra = folder / "1" / "assets.extra"
    extra.mkdir()
    for text, found in [(json.dumps(card), 200), ("{", 404)]:
        (extra / "model_card.json").write_text(text)
        for path in ("toy/card", "toy/versions/1/card", "t%6Fy/card"):
            status, body = ask(server, "GET", f"/playground/models/{path}")
            assert status == found
            if found == 200:
                assert json.loads(body) == card


@pytest.mark.parametrize(
    "servers",
    ["tf:8501", "http://a; script-src *", "http://a b", "http://a/path", "*"],
)
def test_servers_that_could_widen_the_policy_are_refused(folder, servers):
    with pytest.raises(ValueError, match="playground_servers"):
        toy_config(folder, playground_servers=servers)


def test_nothing_comes_from_elsewhere_and_no_html_is_made_of_texts():
    for name in NAMES:
        text = (FOLDER / name).read_text("utf-8")
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b"
            r"|new Function|srcdoc|<script(?! type=\"module\" src=)| style=\"",
            text,
        ), name

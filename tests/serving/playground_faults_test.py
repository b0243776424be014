"""Tests of the playground, in a real browser, with a server that fails."""

import contextlib
import json
import math

import pytest
from playground_browser import NEEDS_CHROMIUM
from playground_browser import open_browser
from playground_testing import ANSWER
from playground_testing import HANG_UP
from playground_testing import HOLD
from playground_testing import HTML
from playground_testing import FakePlayground
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@contextlib.contextmanager
def _fake(browser, **arguments):
    fake = FakePlayground(**arguments)
    with fake.serving() as url:
        browser.open(url)
        yield fake


def test_html_of_a_model_stays_text(browser):
    with _fake(browser, words=[HTML, HTML, " مرحبا 👋"]) as fake:
        fake.card = {"name": HTML, "notes": HTML, "limits": {HTML: HTML}}
        browser.open(browser.driver.current_url.split("#")[0])
        browser.write(HTML)
        assert browser.texts() == ["".join(fake.words)]
        browser.run("arguments[0].focus()", browser.all(".token")[0])
        assert HTML in browser.find("token-card").text
        browser.press(Keys.ESCAPE)  # the card is over the tabs
        browser.find("tab-card").click()
        assert HTML in browser.text("view-card")
        browser.find("tab-write").click()
        fake.faults = [(400, json.dumps({"error": HTML}))]
        browser.write(HTML)
        assert HTML in browser.text("message")
        fake.faults = [(418, HTML)]
        browser.write(HTML)
        assert HTML in browser.text("message")
        browser.find("code").click()
        assert HTML in browser.find("python").get_attribute("textContent")
        assert len(browser.all("img")) == 1  # the icon
        assert len(browser.all("script")) == 1
        assert browser.run("return window.hacked") is None
        refused = browser.run(
            "try { document.body.innerHTML = '<b>'; return '' }"
            "catch (error) { return error.name }"
        )
        assert refused == "TypeError"  # what could make HTML is shut off


def test_what_was_written_outlives_the_server(browser):
    with _fake(browser) as fake:
        fake.faults = [ANSWER, ANSWER, *[HANG_UP] * 9]  # browsers try again
        browser.write("a")
        assert browser.texts() == ["one "]
        assert "can't be reached" in browser.text("message")
        assert "stays" in browser.text("progress")
        assert "broken off" in browser.text("completions")
        fake.faults = []
        browser.find("more").click()
        browser.wait_for_end()
        assert browser.texts() == ["one two three "]
        assert browser.text("message") == ""
        assert not browser.find("more").is_enabled()


def test_stop_keeps_what_came_and_continue_goes_on(browser):
    with _fake(browser) as fake:
        fake.faults = [ANSWER, ANSWER, HOLD]
        browser.find("start").click()
        browser.wait(lambda: browser.texts() == ["one "])
        browser.find("stop").click()
        browser.wait_for_end()
        fake.hold.set()
        assert browser.texts() == ["one "]
        assert "stopped" in browser.text("completions")
        assert browser.text("message") == ""
        browser.find("more").click()
        browser.wait_for_end()
        assert browser.texts() == ["one two three "]
        steps = [x["inputs"] for x in fake.generated()]
        assert [x["continuation"] for x in steps] == [[""], ["1"], ["1"], ["2"]]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ((400, '{"error": "`x` must be y"}'), "refused the request: `x` must"),
        ((404, '{"error": "no"}'), "no such model or version"),
        ((413, '{"error": "big"}'), "too large"),
        ((500, "<html>proxy"), "has a fault: <html>proxy"),
        ((502, ""), "status 502"),
        ((504, '{"error": "late"}'), "took too long"),
        ((200, "no JSON"), "not what a model of TensorFlow Serving gives"),
    ],
)
def test_errors_are_told_in_words(faulty, fault, text):
    browser, fake = faulty
    fake.faults = [fault]
    browser.write("a")
    assert text in browser.text("message")
    assert fake.faults == []
    assert browser.texts() == [""]


@pytest.fixture
def faulty(browser):
    with _fake(browser) as fake:
        yield browser, fake


def test_an_overloaded_server_is_asked_again(faulty):
    browser, fake = faulty
    fake.faults = [(503, "{}"), (429, "{}")]
    browser.write("a")
    assert browser.text("message") == ""
    assert browser.texts() == ["one two three "]


def test_a_row_s_error_is_shown_at_its_text(faulty):
    browser, fake = faulty
    fake.row_error = "`top_k` must be another"
    browser.write("a")
    fake.row_error = ""
    assert "refused it: `top_k` must be another" in browser.text("completions")
    assert browser.text("message") == ""


def test_what_a_stop_text_cuts_off_a_token_is_not_shown(faulty):
    browser, fake = faulty
    fake.cut = 3
    browser.write("a")
    fake.cut = 0
    assert browser.texts() == ["one two thr"]
    assert [x.text for x in browser.all(".token")] == ["one ", "two ", "thr"]


def test_a_text_that_the_server_changed_stands_without_tokens(faulty):
    browser, fake = faulty
    outputs = fake.answer({"signature_name": "generate", "inputs": _FIRST})
    text = json.dumps({"outputs": outputs | {"completions": ["[redacted]"]}})
    fake.faults = [(200, text)]
    browser.write("a")
    assert browser.texts() == ["[redacted]two three "]
    assert browser.all(".token") == []
    assert "Without colours" in browser.text("completions")


def test_numbers_that_json_has_not_are_read(faulty):
    browser, fake = faulty
    outputs = fake.answer({"signature_name": "generate", "inputs": _FIRST})
    text = json.dumps({"outputs": outputs | {"logprobs": [[-math.inf]]}})
    assert "-Infinity" in text
    fake.faults = [(200, text.replace("one ", 'NaN \\"Infinity\\" '))]
    browser.write("a")
    assert browser.text("message") == ""
    assert browser.texts()[0].startswith('NaN "Infinity" ')


_FIRST = {"continuation": [""]}


def test_a_server_elsewhere_must_allow_it(browser):
    tf_serving = FakePlayground()
    with tf_serving.serving() as elsewhere:
        with _fake(browser) as fake:
            _connect(browser, elsewhere)
            text = browser.text("connection")
            assert "--rest_api_enable_cors_support=true" in text
            assert f"--playground_servers={elsewhere}" in text
            assert tf_serving.paths == []  # the policy of the page
        with _fake(browser, servers=[elsewhere]) as fake:
            _connect(browser, elsewhere)
            assert browser.state() == "error"
            assert tf_serving.paths == ["/v1/models/fake/metadata"]
            tf_serving.headers = {"Access-Control-Allow-Origin": "*"}
            _connect(browser, elsewhere)
            assert browser.text("connection") == "fake · version 7"
            browser.write("a")
            assert browser.texts() == ["one two three "]
            assert fake.requests == []
            # Of TensorFlow Serving's paths alone, and without questions first.
            assert all(x.startswith("/v1/") for x in tf_serving.paths)
            browser.find("tab-card").click()
            assert "metadata" in browser.text("view-card")


def _connect(browser, address):
    browser.find("server").find_element(By.TAG_NAME, "summary").click()
    browser.fill("server-base", address)
    browser.fill("server-model", "fake")
    browser.run("document.getElementById('connect').click()")
    browser.wait(lambda: browser.state() != "off")

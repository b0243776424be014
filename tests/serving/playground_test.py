"""Tests of the playground in a real browser."""

import contextlib
import io
import json
import math
import shlex
import urllib.request

import keras
import numpy as np
import pytest
from playground_testing import ANSWER
from playground_testing import HANG_UP
from playground_testing import HOLD
from playground_testing import HTML
from playground_testing import FakePlayground
from selenium.webdriver import ActionChains
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from gpt_keras.model import GPTModel
from gpt_keras.serving.client import Client
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.text.tokenizer_training import train_byte_pair
from tools.screenshots import chromium

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="needs Chromium and its driver: tools/browser.sh installs them",
)
SIGNATURES = ["generate", "score", "detokenize"]
PROMPT = "the cat 猫 👩‍👩‍👧"
SECONDS = 30  # until a wait fails


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    keras.utils.set_random_seed(0)
    tokenizer = train_byte_pair(["the cat sat on the mat. 猫 sat"], 270)
    model = GPTModel(
        tokenizer.vocab_size,
        16,
        2,
        32,
        48,
        num_layers=1,
        initializer_stddev=1.0,
    )
    model(np.zeros((1, 1), np.int32))
    folder = tmp_path_factory.mktemp("saved_models") / "mine"
    export_saved_model(
        model, tokenizer, folder, signatures=SIGNATURES, temperature=0.9
    )
    config = ServerConfig(
        str(folder), rest_api_port=0, port=OFF, enable_model_warmup=False
    )
    with LocalServer(config) as server:
        yield server


@pytest.fixture(scope="module")
def url(server):
    return f"http://127.0.0.1:{server.rest_port}"


@pytest.fixture(scope="module")
def client(url):
    with Client(url, "mine") as client:
        yield client


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield Page(browser)


class Page:
    """The browser, in the words of the tests."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        """Opens the page as one that was never there, and waits for it."""
        self.driver.get("about:blank")
        self.driver.get(url)
        self.run("localStorage.clear()")
        self.driver.get_log("browser")
        self.driver.refresh()
        self.wait(lambda: self.state() in ("on", "error"))

    def state(self):
        return self.find("connection").get_attribute("data-state")

    def find(self, id):
        return self.driver.find_element(By.ID, id)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, id):
        return self.find(id).text

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition):
        return WebDriverWait(self.driver, SECONDS, 0.05).until(
            lambda _: condition()
        )

    def fill(self, id, text):
        """Puts a text where a user would type it."""
        self.run(
            "const [id, text] = arguments;"
            "const field = document.getElementById(id); field.value = text;"
            "field.dispatchEvent(new Event('change'))",
            id,
            text,
        )

    def set(self, **settings):
        for name, value in settings.items():
            id = f"set-{name}"
            number = f"{id}-number"
            self.fill(number if self.all(f"#{number}") else id, str(value))

    def write(self, prompt, **settings):
        self.fill("prompt", prompt)
        self.set(**settings)
        self.find("start").click()
        self.wait_for_end()

    def wait_for_end(self):
        self.wait(lambda: self.find("start").is_enabled())

    def texts(self):
        return self.run(
            "return [...document.querySelectorAll('.completion .tokens')]"
            ".map((list) => list.textContent)"
        )

    def press(self, *keys):
        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def errors(self):
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE"
        ]


@pytest.fixture
def page(browser, url):
    """The page of the real server; nothing may fail or leave its origin."""
    browser.open(url)
    assert browser.state() == "on", browser.text("connection")
    yield browser
    assert browser.errors() == []
    asked = browser.run(
        "return performance.getEntriesByType('resource').map((x) => x.name)"
    )
    assert asked
    assert [x for x in asked if not x.startswith(f"{url}/")] == []


@contextlib.contextmanager
def _fake(browser, **arguments):
    fake = FakePlayground(**arguments)
    with fake.serving() as url:
        browser.open(url)
        yield fake


def _count_calls(page):
    return page.run(
        "return performance.getEntriesByType('resource')"
        ".filter((x) => x.name.endsWith(':predict')).length"
    )


def _level(logprob):
    least = [0.9, 0.5, 0.2, 0.05, 0.01, 0.001, 0]
    return next(i for i, x in enumerate(least) if math.exp(logprob) >= x)


def test_a_streamed_text_is_that_of_the_python_client(page, client):
    settings = dict(
        max_new_tokens=36,
        temperature=1.1,
        top_p=0.97,
        seed=3,
        repetition_penalty=1.2,
        overflow="roll",
    )
    page.write(PROMPT, steps=5, **settings)
    expected = client.generate(PROMPT, **settings)
    assert len(expected.token_ids) == 36
    assert page.texts() == [expected.text]
    assert _count_calls(page) >= 8  # it came in pieces
    assert "seed 3" in page.find("completions").text
    levels = page.run(
        "return [...document.querySelectorAll('.token')]"
        ".map((x) => Number(x.dataset.level))"
    )
    assert len(levels) > 10
    single = _level(expected.logprobs[0])
    assert levels[0] == single or len(expected.text[0].encode()) > 1


def test_the_defaults_are_those_of_the_export(page, client):
    temperature = page.find("set-temperature-number")
    assert temperature.get_attribute("value") == "0.9"
    page.write("the", max_new_tokens=8)
    expected = client.generate("the", max_new_tokens=8, temperature=0.9)
    assert page.texts() == [expected.text]
    slider = page.find("set-temperature")
    slider.send_keys(Keys.ARROW_LEFT)
    assert temperature.get_attribute("value") == "0.85"
    page.find("reset").click()
    assert slider.get_attribute("value") == "0.9"


def test_stop_texts_reach_the_server(page, client):
    free = client.generate("the", max_new_tokens=30, seed=2, temperature=0.9)
    word = next(x for x in free.text[3:] if x.isascii() and x.isprintable())
    page.run(
        "for (const x of document.querySelectorAll('.group')) x.open = true"
    )
    page.write("the", max_new_tokens=30, seed=2, stop=word)
    text = free.text.split(word)[0]
    assert page.texts() == [text]
    assert "ended here" in page.find("completions").text


def test_hover_and_focus_show_the_alternatives(page, client):
    settings = dict(max_new_tokens=12, temperature=0.0)
    page.write("the cat", **settings)
    expected = client.generate("the cat", **settings)
    card, tokens = page.find("token-card"), page.all(".token")
    assert not card.is_displayed()
    ActionChains(page.driver).move_to_element(tokens[0]).perform()
    page.wait(card.is_displayed)
    assert len(page.all(".others li")) >= 5
    shares = page.run(
        "return [...document.querySelectorAll('.others .share')]"
        ".map((x) => x.textContent)"
    )
    top = math.exp(expected.top_logprobs[0][0])
    assert abs(float(shares[0].rstrip("%")) - 100 * top) <= 1
    assert f"token {expected.token_ids[0]}" in card.text
    assert page.all(".others .chosen")
    page.press(Keys.ESCAPE)
    assert not card.is_displayed()
    page.run("arguments[0].focus()", tokens[0])
    assert card.is_displayed()
    page.press(Keys.ARROW_RIGHT)
    assert page.focused() == tokens[1]
    assert tokens[1].get_attribute("aria-describedby") == "token-card"
    assert tokens[0].get_attribute("aria-describedby") is None
    assert [x.get_attribute("tabindex") for x in tokens].count("0") == 1


def test_a_text_s_score_is_that_of_the_client(page, client):
    text = "the mat 猫 مرحبا 👩‍👩‍👧"
    page.find("tab-score").click()
    page.fill("score-text", text)
    page.fill("score-prompt", "sat")
    page.find("score-start").click()
    page.wait(lambda: page.find("score-result").is_displayed())
    expected = client.score("sat", text)
    figures = page.text("score-figures").split("\n")
    assert float(figures[1]) == pytest.approx(expected.bits_per_byte, abs=6e-4)
    assert figures[-3] == str(len(expected.token_ids))
    assert figures[-1] == str(len(text.encode()))
    shown = page.run(
        "return document.querySelector('#score-tokens').textContent"
    )
    assert shown == text
    page.fill("score-text", "a" * 100)
    page.find("score-start").click()
    page.wait(lambda: "tokens long" in page.text("score-message"))
    assert not page.find("score-result").is_displayed()


def test_several_completions_stand_side_by_side(page, client):
    page.write("the", count=3, seed=5, max_new_tokens=10)
    expected = client.generate(
        ["the"] * 3, seed=[5, 6, 7], max_new_tokens=10, temperature=0.9
    )
    assert page.texts() == [row.text for row in expected]
    tops = [x.rect["y"] for x in page.all(".completion")]
    lefts = {x.rect["x"] for x in page.all(".completion")}
    assert tops[0] == tops[1] and len(lefts) >= 2


def test_the_link_and_the_code_give_the_same_request(page, client, url):
    prompt = 'it\'s "the" \\ cat\n$HOME 猫'
    settings = dict(max_new_tokens=9, temperature=0.7, seed=4, banned="a\\nb")
    page.write(prompt, **settings)
    (text,) = page.texts()
    page.find("code").click()
    python = page.find("python").get_attribute("textContent")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(python, "sample", "exec"), {})
    assert output.getvalue() == text
    words = shlex.split(
        page.find("curl").get_attribute("textContent").replace("\\\n", "")
    )
    assert (words[0], words[2]) == ("curl", "-d")
    with urllib.request.urlopen(words[1], words[3].encode()) as response:
        assert json.load(response)["predictions"][0]["completions"] == text
    page.find("code-close").click()
    link = page.driver.current_url
    page.run("localStorage.clear()")
    page.driver.get("about:blank")
    page.driver.get(link)
    page.wait(lambda: page.state() == "on")
    assert page.find("prompt").get_attribute("value") == prompt
    page.find("start").click()
    page.wait_for_end()
    assert page.texts() == [text]
    assert page.find("set-banned").get_attribute("value") == "a\\nb"
    page.driver.get(f"{url}/#temperature=NaN&top_k=x&overflow=y&nothing=1")
    page.wait(lambda: page.find("prompt").get_attribute("value") == "")
    assert page.find("set-top_k").get_attribute("value") == "0"


def test_the_card_is_that_of_the_version(page):
    page.find("tab-card").click()
    text = page.text("view-card")
    assert "mine" in text and "d_model" in text and "Limitations" in text
    assert "generate" in text


def test_language_and_theme_are_switched_and_remembered(page):
    def ground():
        return page.run(
            "return getComputedStyle(document.documentElement).backgroundColor"
        )

    assert page.text("start") == "Write"
    light = ground()
    page.all("#theme label")[2].click()
    assert ground() != light
    page.all("#language label")[1].click()
    assert page.text("start") == "开始写"
    assert page.run("return document.documentElement.lang") == "zh-CN"
    page.driver.refresh()
    page.wait(lambda: page.state() == "on")
    assert page.text("start") == "开始写"
    assert "版本 1" in page.text("connection")
    assert ground() != light
    page.all("#theme label")[1].click()
    assert ground() == light


def test_the_browser_s_language_is_the_first_one(page, url):
    page.driver.execute_cdp_cmd(
        "Emulation.setUserAgentOverride",
        {"userAgent": "x", "acceptLanguage": "fr,zh-TW,en"},
    )
    try:
        page.open(url)
        assert page.text("start") == "开始写"
    finally:
        page.driver.execute_cdp_cmd(
            "Emulation.setUserAgentOverride",
            {"userAgent": "", "acceptLanguage": "en-US"},
        )


def test_every_word_stands_in_both_languages(page):
    table = page.driver.execute_async_script(
        "const done = arguments[0];"
        "import('./strings.js').then((x) => done(x.STRINGS))"
    )
    for key, texts in table.items():
        assert len(texts) == 2 and all(texts), key
        holes = [
            sorted(part.split("}")[0] for part in x.split("{")[1:])
            for x in texts
        ]
        assert holes[0] == holes[1], key
    used = page.run(
        "return [...document.querySelectorAll('*')].flatMap(({dataset: d}) =>"
        " [d.text, d.label, d.placeholder]).filter(Boolean)"
    )
    assert len(used) > 50
    assert set(used) <= set(table)
    page.all("#language label")[1].click()
    untranslated = page.run(
        "return [...document.querySelectorAll('[data-text]')].filter((x) =>"
        " x.textContent && /^[\\x00-\\x7f]*$/.test(x.textContent))"
        ".map((x) => x.textContent)"
    )
    assert set(untranslated) <= {"Top k", "Top p", "Min p"}


def test_keys_alone_do_everything(page, client):
    seen = []
    for _ in range(60):
        page.press(Keys.TAB)
        element = page.focused()
        seen.append(element.get_attribute("id") or element.tag_name)
        if seen[-1] == "prompt":
            break
    assert len(seen) <= 5, seen  # language, theme, tab, prompt
    outline = page.run(
        "return getComputedStyle(document.activeElement).outlineStyle"
    )
    assert outline == "solid"
    page.set(max_new_tokens=6)
    page.press("the")
    chain = ActionChains(page.driver).key_down(Keys.CONTROL)
    chain.send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    page.wait(lambda: page.texts() and page.find("start").is_enabled())
    expected = client.generate("the", max_new_tokens=6, temperature=0.9)
    assert page.texts() == [expected.text]
    for _ in range(8):
        page.press(Keys.TAB)
        if page.focused().get_attribute("role") == "option":
            break
    assert page.focused() == page.all(".token")[0]
    assert page.find("token-card").is_displayed()
    assert "%" in page.focused().get_attribute("aria-label")
    page.press(Keys.END)
    assert page.focused() == page.all(".token")[-1]
    page.run("document.getElementById('tab-write').focus()")
    page.press(Keys.ARROW_RIGHT)
    assert page.find("view-score").is_displayed()
    assert not page.find("view-write").is_displayed()


def test_names_labels_and_contrast(page):
    page.write("the", max_new_tokens=30, temperature=1.5, count=2)
    page.run(
        "for (const x of document.querySelectorAll('.group')) x.open = true"
    )
    assert page.run(_UNNAMED) == []
    ids = page.run(
        "return [...document.querySelectorAll('[id]')].map(x => x.id)"
    )
    assert len(ids) == len(set(ids))
    log = page.all("[role=log]")[0]
    assert log.get_attribute("aria-live") == "off"  # there are two
    assert log.get_attribute("textContent") == page.texts()[0]
    for theme in (1, 2):
        page.all("#theme label")[theme].click()
        for tab in ("tab-write", "tab-score", "tab-card"):
            page.find(tab).click()
            assert page.run(_LOW_CONTRAST) == [], (theme, tab)
    assert (
        page.run("return document.querySelectorAll('[data-level]').length") > 7
    )


def test_it_fits_a_small_screen(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        page.driver.refresh()
        page.wait(lambda: page.state() == "on")
        assert page.find("settings").get_attribute("open") is None
        page.find("settings").find_element(By.TAG_NAME, "summary").click()
        page.write("x" * 80, max_new_tokens=30, count=2)
        for tab in ("tab-write", "tab-score", "tab-card"):
            page.find(tab).click()
            width = page.run("return document.documentElement.scrollWidth")
            assert width <= 360, tab
        page.find("tab-write").click()
        page.run("arguments[0].focus()", page.all(".token")[-1])
        card = page.find("token-card").rect
        assert card["x"] >= 0 and card["x"] + card["width"] <= 360
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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


_UNNAMED = """
const fields = document.querySelectorAll("input, select, textarea, button");
return [...fields].filter((field) => {
  const ids = (field.getAttribute("aria-labelledby") ?? "").split(" ");
  const names = [
    field.getAttribute("aria-label"),
    ...ids.map((id) => document.getElementById(id)?.textContent),
    ...[...(field.labels ?? [])].map((one) => one.textContent),
    field.tagName === "BUTTON" ? field.textContent : "",
  ];
  return !names.some((name) => name?.trim());
}).map((field) => field.outerHTML);
"""

# Elements with text whose contrast is below that of WCAG's AA: 4.5.
_LOW_CONTRAST = """
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const pen = canvas.getContext("2d", { willReadFrequently: true });
const over = (colours) => {
  pen.clearRect(0, 0, 1, 1);
  for (const colour of colours) {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
  }
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (colour) => {
  const [r, g, b] = colour.map((x) => x / 255).map((x) =>
    x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const hasText = [...element.childNodes].some(
    (node) => node.nodeType === 3 && node.textContent.trim());
  if (!hasText || !element.checkVisibility()) continue;
  if (element.disabled || element.matches(".unseen, .unseen *")) continue;
  const grounds = [];
  for (let at = element; at; at = at.parentElement) {
    grounds.unshift(getComputedStyle(at).backgroundColor);
  }
  const ground = over(grounds);
  const ink = over([...grounds, getComputedStyle(element).color]);
  const [low, high] = [light(ground), light(ink)].sort((a, b) => a - b);
  const contrast = (high + 0.05) / (low + 0.05);
  if (contrast < 4.5) {
    found.push(`${element.tagName}.${element.className} ${contrast}`);
  }
}
return found;
"""

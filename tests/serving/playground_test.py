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
from playground_browser import LOW_CONTRAST
from playground_browser import NEEDS_CHROMIUM
from playground_browser import UNNAMED
from playground_browser import open_browser
from selenium.webdriver import ActionChains
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from gpt_keras.model import GPTModel
from gpt_keras.serving.client import Client
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.text.tokenizer_training import train_byte_pair

pytestmark = NEEDS_CHROMIUM
SIGNATURES = ["generate", "score", "detokenize"]
PROMPT = "the cat 猫 👩‍👩‍👧"


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
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


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
    assert page.run(UNNAMED) == []
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
            assert page.run(LOW_CONTRAST) == [], (theme, tab)
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

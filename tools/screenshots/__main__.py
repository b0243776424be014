"""Takes the pictures of the playground that stand in docs.

tools/browser.sh --fonts
python -m tools.screenshots --model_base_path=saved_models/quickstart
"""

import argparse
import contextlib
import pathlib
import tempfile

from selenium.webdriver.support.wait import WebDriverWait

from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from tools.screenshots.chromium import chromium

_SECONDS = 300  # the first request of a graph takes long
_WIDE = (1180, 760)
_TALL = (1180, 800)
_NARROW = (360, 740)
_BEGIN = """
const [settings] = arguments;
document.querySelector(`#language [value=${settings.language}]`).click();
document.querySelector(`#theme [value=${settings.theme}]`).click();
document.getElementById("prompt").value = settings.prompt;
for (const [name, value] of Object.entries(settings.numbers)) {
  const field = document.getElementById(`set-${name}-number`) ??
    document.getElementById(`set-${name}`);
  field.value = value;
  field.dispatchEvent(new Event("change"));
}
document.getElementById("start").click();
"""
_SCORE = """
document.getElementById("tab-score").click();
document.getElementById("score-text").value = arguments[0];
document.getElementById("score-start").click();
"""
_FOCUS = """
const tokens = document.querySelectorAll(`${arguments[0]} .token`);
tokens[Math.min(arguments[1], tokens.length - 1)].focus();
"""
_COUNT = "return document.querySelectorAll('.completion .token').length"
_IS_DONE = "return !document.getElementById('start').disabled"
_IS_CONNECTED = "return document.getElementById('connection').dataset.state"
_IS_SCORED = "return !document.getElementById('score-result').hidden"


class Camera:
    """Takes pictures of one page.

    Args:
        browser: That runs.
        url: Of the page.
        folder: Where the pictures go.
    """

    def __init__(self, browser, url: str, folder: pathlib.Path):
        self._browser = browser
        self._url = url
        self._folder = folder

    def write(self, prompt: str, language: str, theme: str, size, **numbers):
        """Opens the page and begins to write."""
        self._open(size)
        settings = {
            "prompt": prompt,
            "language": language,
            "theme": theme,
            "numbers": numbers,
        }
        self._browser.execute_script(_BEGIN, settings)

    def wait(self, script: str, least=True) -> None:
        """Waits until a script returns at least so much."""
        WebDriverWait(self._browser, _SECONDS, 0.02).until(
            lambda browser: browser.execute_script(script) >= least
        )

    def run(self, script: str, *arguments) -> None:
        """Runs a script in the page."""
        self._browser.execute_script(script, *arguments)

    def take(self, name: str) -> None:
        """Writes what is seen."""
        path = self._folder / f"playground-{name}.png"
        self._browser.save_screenshot(str(path))
        print(path, path.stat().st_size)

    def _open(self, size):
        width, height = size
        self._browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": False,
            },
        )
        for _ in range(2):  # the second time without what was remembered
            self._browser.get("about:blank")
            self._browser.get(self._url)
            self._browser.execute_script("localStorage.clear()")
        self.wait(f"{_IS_CONNECTED} === 'on'")


def _take_all(camera):
    camera.write("The ", "en", "light", _WIDE, max_new_tokens=4)
    camera.wait(_IS_DONE)  # warm: what follows comes in pieces
    camera.write("The ", "en", "light", _TALL, seed=7, max_new_tokens=120)
    camera.wait(_COUNT, 48)
    camera.run(_FOCUS, ".completion", 11)
    camera.take("write")
    camera.write(
        "A class ", "en", "dark", _WIDE, seed=1, count=4, max_new_tokens=28
    )
    camera.wait(_IS_DONE)
    camera.take("dark")
    camera.write("The ", "zh", "light", _WIDE, max_new_tokens=40)
    camera.wait(_IS_DONE)
    camera.run(
        _SCORE,
        "The statement is executed when the object is created.\n"
        "The banana is executed when the penguin is created.",
    )
    camera.wait(_IS_SCORED)
    camera.run(_FOCUS, "#score-tokens", 22)
    camera.take("zh")
    camera.write("The ", "en", "dark", _NARROW, seed=4, max_new_tokens=60)
    camera.wait(_IS_DONE)
    camera.run("scrollTo(0, 170)")
    camera.take("small")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_base_path", required=True)
    parser.add_argument("--output", type=pathlib.Path, default="docs")
    arguments = parser.parse_args()
    config = ServerConfig(
        arguments.model_base_path,
        rest_api_port=0,
        port=OFF,
        enable_model_warmup=False,
        rest_api_timeout_in_ms=_SECONDS * 1000,
    )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(LocalServer(config))
        profile = stack.enter_context(tempfile.TemporaryDirectory())
        browser = stack.enter_context(chromium(profile))
        url = f"http://127.0.0.1:{server.rest_port}/"
        _take_all(Camera(browser, url, arguments.output))


if __name__ == "__main__":
    main()

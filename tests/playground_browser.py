"""A browser with the playground in it, in the words of the tests."""

import contextlib

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tools.screenshots import chromium

NEEDS_CHROMIUM = pytest.mark.skipif(
    chromium.find() is None,
    reason="needs Chromium and its driver: tools/browser.sh installs them",
)
SECONDS = 30  # until a wait fails


@contextlib.contextmanager
def open_browser(profile):
    """Starts Chromium with a new profile in a folder; gives a `Page`."""
    with chromium.chromium(profile) as browser:
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


# Returns the fields without a name.
UNNAMED = """
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
LOW_CONTRAST = """
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

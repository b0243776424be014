"""An empty folder comes in, a headless Chromium with a profile of its own out.

Browser and driver are those of the machine: see tools/browser.sh. Nothing is
downloaded.
"""

import contextlib
import shutil
from collections.abc import Iterator

from selenium import webdriver

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DRIVERS = ("chromedriver", "chromium.chromedriver")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WAIT_SECONDS = 30


def find() -> tuple[str, str] | None:
    """Returns the paths of browser and driver; None if one is missing."""
    paths = [
        next(filter(None, map(shutil.which, names)), None)
        for names in (_BROWSERS, _DRIVERS)
    ]
    return tuple(paths) if all(paths) else None


@contextlib.contextmanager
def chromium(
    profile, width: int = 1280, height: int = 900, language: str = "en-US"
) -> Iterator[webdriver.Chrome]:
    """Inside, a browser runs.

    Args:
        profile: An empty folder.
        width: Of the window, pixels.
        height: The same.
        language: The user's.

    Raises:
        RuntimeError: There is no Chromium.
    """
    paths = find()
    if paths is None:
        raise RuntimeError(
            "Chromium and its driver are missing: see browser.sh"
        )
    browser, driver = paths
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in _FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument(f"--window-size={width},{height}")
    options.add_experimental_option(
        "prefs", {"intl.accept_languages": language}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options, service)
    try:
        opened.set_page_load_timeout(_WAIT_SECONDS)
        opened.set_script_timeout(_WAIT_SECONDS)
        yield opened
    finally:
        opened.quit()

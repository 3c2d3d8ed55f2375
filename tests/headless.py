"""A real browser for tests, and what it asked for."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120.0
"""Seconds that a page is waited for beside busy processes."""
RERENDERED = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
"""What is said of an element that the page replaced, moved or covered since it was found."""
ALONE = ("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")


@contextmanager
def chromium(*arguments: str, log_network: bool = False, language: str = "en-GB", proxy: int | None = None):
    """A headless Chromium for which names outside this machine do not exist; skipped, in CI failed, without one.

    With `proxy`, a port of this machine, it asks that for everything instead.
    """
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not browser or not driver:
        reason = "no chromium with its chromedriver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--lang={language}",
        "--window-size=1400,1000",
        "--disable-background-networking",
        *(
            ALONE
            if proxy is None
            else (f"--proxy-server=http://127.0.0.1:{proxy}", "--proxy-bypass-list=<-loopback>")
        ),
        *arguments,
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    if log_network:
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield made
    finally:
        made.quit()


def until(browser: Any, true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true, and give it; what the page has replaced meanwhile is looked for again."""
    wait = WebDriverWait(browser, seconds, poll_frequency=0.05, ignored_exceptions=RERENDERED)
    return wait.until(lambda _: true())


def click(browser: Any, find: Callable[[], Any]) -> None:
    """Click what `find` gives as soon as it is there and nothing lies over it."""

    def clicked() -> bool:
        find().click()
        return True

    until(browser, clicked)


def requested(browser) -> list[str]:
    """The addresses a browser with `log_network` asked for since the last call, in order."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked_for = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    sockets = [event["params"]["url"] for event in events if event["method"] == "Network.webSocketCreated"]
    return asked_for + sockets

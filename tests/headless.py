"""A real browser for tests, and what it asked for."""

import json
import os
import shutil
from contextlib import contextmanager

import pytest
from selenium import webdriver

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

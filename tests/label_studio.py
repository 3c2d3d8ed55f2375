"""A real Label Studio for tests: homes that are copied from one template, and what can be asked of them."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from byod.review import server
from byod.settings import Settings


def quiet(line):
    """What byod says while it starts a server is of no interest here."""


def settings(home: Path, program: Path | None = None, **more: str) -> Settings:
    """Settings that know nothing but a home, and the Label Studio to start in it."""
    told = {
        "BYOD_CONFIG": str(home.with_name("no-config.toml")),
        "BYOD_CACHE": str(home.with_name("cache")),
        "BYOD_LABEL_STUDIO_HOME": str(home),
        **more,
    }
    if program is not None:
        told["BYOD_LABEL_STUDIO"] = str(program)
    return Settings.load(told)


def copied(template: Path, home: Path) -> Path:
    """A home of its own, as the template's server left it: an account, no project; its port is chosen anew."""
    shutil.copytree(template, home)
    home.chmod(0o700)
    (home / "server.json").unlink(missing_ok=True)
    return home


def asked(running: server.Running, path: str, method: str = "GET", **how):
    """The JSON that a running server answers; anything but a success raises."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Token {running.token}"}
        answer = session.request(method, running.url + path, headers=headers, timeout=60, **how)
        answer.raise_for_status()
        return json.loads(answer.content) if answer.content else None


def wanted_program() -> Path | None:
    """The Label Studio that `BYOD_TEST_LABEL_STUDIO` names."""
    named = os.environ.get("BYOD_TEST_LABEL_STUDIO")
    return Path(named) if named else None


@contextmanager
def chromium(*arguments: str, log_network: bool = False):
    """A headless Chromium for which names outside this machine do not exist; skipped, in CI failed, without one."""
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
        "--lang=en-GB",
        "--window-size=1400,1000",
        "--disable-background-networking",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        *arguments,
    ):
        options.add_argument(argument)
    if log_network:
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield made
    finally:
        made.quit()


def log_in(browser, running: server.Running) -> None:
    """Enter by the form, as a person does."""
    browser.get(f"{running.url}/user/login/")
    browser.find_element(By.NAME, "email").send_keys(running.email)
    browser.find_element(By.NAME, "password").send_keys(running.password)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    WebDriverWait(browser, 30).until(lambda _: "/user/login" not in browser.current_url)


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

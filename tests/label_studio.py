"""A real Label Studio for tests: homes that are copied from one template, and what can be asked of them."""

import json
import os
import shutil
from pathlib import Path

import requests
from headless import click, until
from selenium.webdriver.common.by import By

from byod.labeling import local_server
from byod.schema.config import Settings


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


def asked(running: local_server.Running, path: str, method: str = "GET", **how):
    """The JSON that a running server answers; anything but a success raises."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Token {running.token}"}
        answer = session.request(method, running.url + path, headers=headers, timeout=300, **how)
        answer.raise_for_status()
        return json.loads(answer.content) if answer.content else None


def wanted_program() -> Path | None:
    """The Label Studio that `BYOD_TEST_LABEL_STUDIO` names."""
    named = os.environ.get("BYOD_TEST_LABEL_STUDIO")
    return Path(named) if named else None


def log_in(browser, running: local_server.Running) -> None:
    """Enter by the form, as a person does."""
    browser.get(f"{running.url}/user/login/")
    filled_in(browser, running.email, running.password)
    until(browser, lambda: "/user/login" not in browser.current_url)


def filled_in(browser, email: str, password: str) -> None:
    """Send the form with a mail address and a password, once it is there."""
    until(browser, lambda: browser.find_element(By.NAME, "email")).send_keys(email)
    browser.find_element(By.NAME, "password").send_keys(password)
    click(browser, lambda: browser.find_element(By.CSS_SELECTOR, "button[type=submit]"))

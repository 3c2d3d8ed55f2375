"""Nothing leaves the machine: outside names are refused and written down, on the server's side and on the browser's."""

from pathlib import Path
from urllib.parse import quote, urlsplit

import label_studio as studio
import pytest
from headless import chromium, click, requested, until
from PIL import Image
from selenium.webdriver.common.by import By

from byod.labeling import local_server
from byod.schema.config import Settings

pytestmark = pytest.mark.slow

BLOCKED = Path(__file__).parents[1] / "fixtures" / "blocked_names"
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="label" toName="image" choice="single-radio">'
    '<Choice value="cat"/><Choice value="dog"/></Choices></View>'
)
LOOPBACK = {"127.0.0.1", "localhost"}


@pytest.fixture
def attempts(tmp_path):
    """Where the server writes down what it tries to reach."""
    return tmp_path / "attempts.txt"


def blocked(attempts: Path, **more: str) -> dict[str, str]:
    return {"PYTHONPATH": str(BLOCKED), "BYOD_TEST_ATTEMPTS": str(attempts), **more}


def tried(attempts: Path) -> list[str]:
    return attempts.read_text().splitlines() if attempts.exists() else []


def project(running) -> tuple[int, int]:
    """A project with one picture in it, served from the folder of files: its number, and its task's."""
    folder = running.files / "net"
    folder.mkdir()
    Image.new("RGB", (320, 240), "teal").save(folder / "a.jpg")
    made = studio.asked(running, "/api/projects/", "POST", json={"title": "net", "label_config": CONFIG})
    row = {"project": made["id"], "path": str(folder), "use_blob_urls": True, "regex_filter": "(?!)"}
    studio.asked(running, "/api/storages/localfiles/", "POST", json=row)
    prediction = {
        "model_version": "folder",
        "result": [
            {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}
        ],
    }
    task = {"data": {"image": f"/data/local-files/?d={quote('net/a.jpg')}"}, "predictions": [prediction]}
    told = studio.asked(
        running, f"/api/projects/{made['id']}/import?return_task_ids=true", "POST", json=[task]
    )
    return made["id"], told["task_ids"][0]


def shown(browser) -> bool:
    """Whether the task's picture is there, whole."""
    script = "return [...document.images].some(i => i.src.includes('local-files') && i.naturalWidth == 320)"
    return bool(browser.execute_script(script))


def text(browser) -> str:
    return browser.execute_script("return document.body.innerText")


def test_nothing_leaves_the_machine(studio_home, attempts):
    """A task is reviewed with all outside names gone: the server tries to reach none, the pages ask loopback alone."""
    running = local_server.start(Settings.load(), studio.quiet, extra=blocked(attempts))
    number, task = project(running)
    with chromium(log_network=True) as browser:
        studio.log_in(browser, running)
        for path, word in (
            ("/projects/", "Create"),
            (f"/projects/{number}/data", "Submitted annotations"),
            (f"/projects/{number}/settings", "Labeling Interface"),
            ("/user/account/", "Legacy Token"),
            (f"/projects/{number}/data?labeling=1", "Skip"),
        ):
            browser.get(running.url + path)
            until(browser, lambda word=word: word in text(browser))
        browser.get(f"{running.url}/projects/{number}/data?task={task}")
        until(browser, lambda: shown(browser))
        click(browser, lambda: browser.find_element(By.XPATH, "//button[normalize-space()='Submit']"))
        until(browser, lambda: studio.asked(running, f"/api/tasks/{task}/")["annotations"])
        addresses = requested(browser)
    hosts = {
        urlsplit(address).hostname for address in addresses if not address.startswith(("data:", "blob:"))
    }
    assert len(addresses) > 50
    assert hosts <= LOOPBACK, sorted(a for a in addresses if urlsplit(a).hostname not in LOOPBACK)
    assert tried(attempts) == []


def test_the_trap_would_notice(studio_home, attempts):
    """Without the closed proxy that byod gives the server, its one request of this kind is seen, and is refused."""
    open_door = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "")
    running = local_server.start(Settings.load(), studio.quiet, extra=blocked(attempts, **open_door))
    with pytest.raises(Exception, match="404"):
        studio.asked(running, "/heidi-tips/")
    assert [line.split()[:2] for line in tried(attempts)] == [
        ["socket.getaddrinfo", "raw.githubusercontent.com"]
    ]

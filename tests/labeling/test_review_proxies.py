"""A review through what stands in front of a real Label Studio: a server's clock that jumps, TLS below a path."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import label_studio
import pytest
import requests
import studio_proxy
import trustme
from command import byod
from review_round import pull, push, say, tasks, where
from server_clock import Clock

from byod.api.review import ReviewSession
from byod.labeling import fetch, labeling_page, local_server
from byod.labeling.client import LabelStudio
from byod.schema.review_tasks import Purpose

pytestmark = pytest.mark.slow


def other(label):
    return "Hund" if label == "Katze" else "Katze"


@pytest.mark.parametrize("hours", [-2, 2])
@pytest.mark.parametrize("few", [0, 50])
def test_corrections_come_back_whatever_the_servers_clock_does(
    folder, session, tmp_path, live_studio, monkeypatch, hours, few
):
    """A clock that jumps two hours and back again between pulls hides no answer, and takes none twice."""
    monkeypatch.setattr(fetch, "_FEW", few)
    clock = Clock()
    with studio_proxy.proxy(live_studio.url) as front:
        front.alter, front.passed = clock.alter, clock.upstream
        there = ReviewSession(
            studio=LabelStudio(front.url, live_studio.token), server=front.url, files=session.files
        )
        pushed = push(folder, there, tmp_path)[Purpose.LABELS]
        asked = tasks(there, pushed)
        first = say(there, asked[0], other(asked[0]["data"]["label"]))
        assert pull(folder, there).relabelled == 1
        at = 1
        for shift in (hours, 0, -hours):
            clock.set(shift)
            for task in asked[at : at + 3]:
                said = say(there, task, other(task["data"]["label"]))
            told = datetime.fromisoformat(said["updated_at"]) - datetime.now(UTC)
            assert abs(told - timedelta(hours=shift)) < timedelta(minutes=5), "the clock is another one"
            pulled = pull(folder, there)
            assert (pulled.answers, pulled.relabelled) == (3, 3)
            for task in asked[at : at + 3]:
                assert where(folder, task) == f"images/{other(task['data']['label'])}"
            assert pull(folder, there).answers == 0
            at += 3
        result = [{**first["result"][0], "value": {"choices": [asked[0]["data"]["label"]]}}]
        there.studio.patch(f"/api/annotations/{first['id']}/", json={"result": result})
        assert pull(folder, there).relabelled == 1
        there.studio.delete(f"/api/annotations/{first['id']}/")
        assert len(pull(folder, there).withdrawn) == 1


def enter_by_form(http, address, running):
    """Log in with address and password, as a browser does."""
    page = f"{address}/user/login/"
    http.get(page, timeout=300)
    form = {"email": running.email, "password": running.password}
    token = {"csrfmiddlewaretoken": http.cookies["csrftoken"]}
    entered = http.post(
        page, data=form | token, headers={"Referer": page}, timeout=300, allow_redirects=False
    )
    assert entered.status_code == 302, "the form is taken"


@pytest.mark.long
def test_behind_tls_and_below_a_path_people_review_as_anywhere(
    studio_template, label_studio_program, folder, tmp_path, monkeypatch
):
    """A server of somebody else's, behind a proxy that ends TLS and strips a path: push, load a picture, pull, undo.

    byod loads a picture back before it asks, where whoever entered by the form alone sees it, and nobody else.
    """
    home = label_studio.copied(studio_template, tmp_path / "studio")
    settings = label_studio.settings(home, label_studio_program)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with studio_proxy.proxy("", authority.issue_cert("127.0.0.1")) as front:
        front.prefix = "/labels"
        address = f"{front.url}/labels"
        running = local_server.start(
            settings,
            label_studio.quiet,
            extra={"LABEL_STUDIO_HOST": address, "CSRF_TRUSTED_ORIGINS": front.url},
        )
        front.upstream = running.url
        env = {
            "BYOD_LABEL_STUDIO_URL": address,
            "BYOD_LABEL_STUDIO_TOKEN": running.token,
            "BYOD_LABEL_STUDIO_HOME": str(tmp_path / "none"),
        }
        try:
            refused = byod("review", "push", str(folder), folder=folder.parent, check=1, **env)
            assert "REQUESTS_CA_BUNDLE" in refused.stderr
            env["REQUESTS_CA_BUNDLE"] = str(tmp_path / "authority.pem")
            told = json.loads(
                byod("review", "push", str(folder), "--json", folder=folder.parent, **env).stdout
            )
            number = told[0]["number"]
            assert told[0]["url"] == f"{address}/projects/{number}/"
            studio = LabelStudio(running.url, running.token)
            (task, *_) = studio.tasks(number)
            chosen, sha256 = task["data"]["label"], task["data"]["byod_id"]
            image = task["data"]["image"]
            imported = ("POST", f"/labels/api/projects/{number}/import")
            assert front.asked.index(("GET", image)) < front.asked.index(imported)
            with requests.Session() as http:
                http.trust_env, http.verify = False, env["REQUESTS_CA_BUNDLE"]
                assert hashlib.sha256(http.get(front.url + image, timeout=300).content).hexdigest() != sha256
                enter_by_form(http, address, running)
                shown = http.get(front.url + image, timeout=300)
            assert hashlib.sha256(shown.content).hexdigest() == sha256
            result = [labeling_page.choice(other(chosen))]
            studio.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result})
            pulled = byod("review", "pull", str(folder), "--json", folder=folder.parent, **env)
            assert json.loads(pulled.stdout)["relabelled"] == 1
            assert list((folder / "images" / other(chosen)).glob(f"{sha256[:16]}*"))
            byod("review", "undo", str(folder), folder=folder.parent, **env)
            assert list((folder / "images" / chosen).glob(f"{sha256[:16]}*"))
            assert all(path.startswith("/labels/") for _, path in front.asked), (
                "nothing is asked above the path"
            )
        finally:
            local_server.stop(settings, label_studio.quiet)

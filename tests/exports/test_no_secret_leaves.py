"""Passwords and keys of addresses stay in the catalog: every file that leaves is opened and looked through."""

import io
import json
import tarfile

import pyarrow.parquet as parquet
import pytest
from command import byod
from loopback_server import Answer, LoopbackServer

import byod as library
from byod.dataset.dataset_folder import Dataset
from byod.tasks import TASKS
from byod.testing import draw_classes

pytestmark = pytest.mark.slow

SECRET = b"5EC2E7"
OF_LABELS = list(TASKS["classify"].exchange.exports)
SIGNATURES = (
    "X-Amz-Credential={s}&X-Amz-Signature={s}",
    "AWSAccessKeyId={s}&Expires=5&Signature={s}",
    "X-Goog-Credential={s}&X-Goog-Signature={s}",
    "sv=2024&se=2026&sp=r&sig={s}",
    "Policy={s}&Key-Pair-Id={s}&Signature={s}",
    "hdnts=exp=1~acl=/*~hmac={s}",
    "__token__=exp=1~hmac={s}",
    "token={s}",
    "apikey={s}&password={s}&auth={s}",
)


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    with LoopbackServer() as server:
        draw_classes(tmp_path / "drawn", ("cat", "dog"), per_class=9)
        for number, file in enumerate(sorted((tmp_path / "drawn").rglob("*.jpg"))):
            server.put(f"/{number}.jpg", file.read_bytes())
        yield server


@pytest.fixture
def listed(tmp_path, web):
    """A list of signed addresses behind a password: pictures, one redirect to nowhere, one that is no picture."""
    count = len(web.files)
    rows = ["url,label,page,creator,title"]
    start = web.url.replace("http://", "http://bob:5EC2E7@")
    for number in range(count):
        signed = SIGNATURES[number % len(SIGNATURES)].format(s="5EC2E7")
        page = f"https://eve:5EC2E7@h.example/{number}?id=3&{signed}"
        label = "cat" if number < count / 2 else "dog"
        title = f"see {page}"
        rows.append(f"{start}/{number}.jpg?w=640&{signed},{label},{page},by {page},{title}")
    rows += [f"{start}/nowhere.jpg,cat,,,", f"{start}/text.jpg?token=5EC2E7,cat,,,"]
    web.put("/text.jpg", b"<html>no picture</html>", "text/html")
    moved = {"Location": "ftp://bob:5EC2E7@h.example/x?sig=5EC2E7"}
    web.answer_next("/nowhere.jpg", *[Answer(302, "", moved)] * 3)
    (tmp_path / "list.csv").write_text("\n".join(rows))
    return tmp_path


def contents(folder):
    """Every file below a folder but the catalog, which keeps addresses whole, and what is packed in it, by name."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name.startswith("catalog.db"):
            continue
        name = file.relative_to(folder).as_posix()
        yield name, file.read_bytes()
        if file.suffix == ".parquet":
            yield f"{name} as rows", json.dumps(parquet.read_table(file).to_pylist()).encode()
        if file.suffix == ".tar":
            with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as shard:
                for member in shard:
                    yield f"{name}/{member.name}", shard.extractfile(member).read()


def telling(folder):
    return [name for name, content in contents(folder) if SECRET in content]


def test_no_secret_leaves(listed, web):
    """No file but the catalog, no export and no output of a command holds a password or a key; all was fetched."""
    done = byod("collect", "--from-urls", "list.csv", "--into", "d", "--json", folder=listed)
    said = [done.stdout, done.stderr]
    assert sum(json.loads(done.stdout)["classes"].values()) == len(web.files) - 1
    catalog = b"".join(file.read_bytes() for file in (listed / "d").glob("catalog.db*"))
    assert SECRET in catalog
    for verb in (("check",), ("status",), ("split",), ("dedupe",)):
        done = byod(*verb, "d", "--json", folder=listed)
        said += [done.stdout, done.stderr]
    for format in OF_LABELS:
        done = byod("export", "d", "--format", format, "--into", f"out-{format}", "--json", folder=listed)
        said += [done.stdout, done.stderr]
        assert telling(listed / f"out-{format}") == []
    assert telling(listed / "d") == []
    assert SECRET not in "".join(said).encode()
    text = (listed / "d" / "CREDITS.csv").read_text()
    assert f'"{web.url}/0.jpg?w=640"' in text
    assert '"https://h.example/0?id=3"' in text
    assert SECRET not in str(library.Dataset(listed / "d").to_pandas().to_dict()).encode()


def test_a_lost_catalog_comes_back_without_keys(listed, web):
    """A catalog rebuilt from CREDITS.csv has every picture and origin, also where addresses differ in keys alone."""
    served = dict(web.files)

    class ByKey(LoopbackServer):
        def answer(self, asked):
            if "key" not in asked.params:
                return Answer(404, "no such place")
            body = served[f"/{asked.params['key']}.jpg"][1]
            return Answer(body=body, headers={"Content-Type": "image/jpeg"})

    with ByKey() as keyed:
        lines = [f"{keyed.url}/view?key={number},{'cat' if number < 9 else 'dog'}" for number in range(18)]
        (listed / "keys.csv").write_text("\n".join(["url,label", *lines]))
        byod("collect", "--from-urls", "keys.csv", "--into", "k", folder=listed)
        for file in (listed / "k").glob("catalog.db*"):
            file.unlink()
        byod("status", "k", folder=listed)
        with Dataset(listed / "k", TASKS) as dataset:
            rebuilt = dataset.snapshot()
        assert len(rebuilt.kept) == 18
        found = [rebuilt.origins[sample.sha256][0].url for sample in rebuilt.kept]
        assert {url.partition("#")[0] for url in found} == {f"{keyed.url}/view"}
        assert len(set(found)) == 18
        done = byod("collect", "--from-urls", "keys.csv", "--into", "k", "--json", folder=listed)
        assert json.loads(done.stdout)["classes"] == {"cat": 9, "dog": 9}


def test_an_older_list_of_credits_loses_its_keys(listed):
    """Secrets in a CREDITS.csv that an older byod wrote are gone once byod writes it anew, and from its exports."""
    byod("collect", "--from-urls", "list.csv", "--into", "d", folder=listed)
    credits = listed / "d" / "CREDITS.csv"
    credits.write_text(credits.read_text().replace("?w=640", "?w=640&token=5EC2E7"))
    for file in (listed / "d").glob("catalog.db*"):
        file.unlink()
    byod("dedupe", "d", folder=listed)
    assert telling(listed / "d") == []

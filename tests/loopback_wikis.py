"""The two wikis on a loopback server, Commons and Wikidata, and the works that all sources offer."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from loopback_server import Answer, Asked, LoopbackServer


@dataclass(frozen=True)
class Work:
    """A picture as sources offer it; `kind` and `version` as Creative Commons names them (None: not stated)."""

    url: str
    title: str = "A picture"
    creator: str = "Ada"
    kind: str | None = "by"
    version: str = "4.0"
    page: str = "https://pages.example/1"
    width: int = 800
    height: int = 600
    size: int = 100_000
    mime: str = "image/jpeg"
    flickr_licence: str = "4"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def licence_url(self) -> str | None:
        """The licence's address."""
        if self.kind is None:
            return None
        if self.kind in ("cc0", "pdm"):
            return f"https://creativecommons.org/publicdomain/{'zero' if self.kind == 'cc0' else 'mark'}/1.0/"
        return f"https://creativecommons.org/licenses/{self.kind}/{self.version}/"


class LoopbackWikis(LoopbackServer):
    """Commons and Wikidata: `works` by lower-case terms, `entities` by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.works: defaultdict[str, list[Work]] = defaultdict(list)
        self.entities: dict[str, dict[str, Any]] = {}
        self.split_batches = False

    def offer(self, terms: str, *works: Work) -> None:
        """Let every source find these works under the terms."""
        self.works[terms.lower()] += works

    def found(self, terms: str) -> list[Work]:
        """The works offered under the terms."""
        return self.works.get(terms.lower(), [])

    def wiki(self, asked: Asked) -> Answer:
        """What `api.php` answers."""
        params = asked.params
        if params["action"] == "wbsearchentities":
            return self._search_entities(params)
        if params["action"] == "wbgetentities":
            wanted = params["languages"].split("|")
            entities = {
                number: {
                    "id": number,
                    "labels": {
                        language: {"language": language, "value": label}
                        for language, label in self.entities[number]["labels"].items()
                        if language in wanted
                    },
                    "sitelinks": {
                        f"wiki{each}": {} for each in range(self.entities[number].get("articles", 1))
                    },
                }
                for number in params["ids"].split("|")
            }
            return as_json({"entities": entities, "success": 1})
        return self._commons(params)

    def _search_entities(self, params: dict[str, str]) -> Answer:
        language, terms = params["language"], params["search"].lower()
        found = []
        for number, entity in self.entities.items():
            names = [entity["labels"].get(language, ""), *entity.get("aliases", {}).get(language, [])]
            match = next((name for name in names if name.lower().startswith(terms)), None)
            if match:
                found.append(
                    {
                        "id": number,
                        "label": names[0],
                        "description": entity.get("description", "a thing"),
                        "match": {"type": "label", "language": language, "text": match},
                    }
                )
        return as_json({"search": found[: int(params["limit"])], "success": 1})

    def _commons(self, params: dict[str, str]) -> Answer:
        works = self.found(params["gsrsearch"].removeprefix("filetype:bitmap "))
        size, start = int(params["gsrlimit"]), int(params.get("gsroffset", 0))
        batch = list(enumerate(works))[start : start + size]
        told = batch
        reply: dict[str, Any] = {"batchcomplete": True}
        half = len(batch) // 2
        if self.split_batches and half and "iicontinue" not in params:
            told = batch[:half]
            reply = {"continue": {"iicontinue": "second|half", "gsroffset": start, "continue": "||"}}
        elif self.split_batches and half:
            told = batch[half:]
        if "batchcomplete" in reply and start + size < len(works):
            reply["continue"] = {"gsroffset": start + size, "continue": "gsroffset||"}
        shown = dict(told)
        pages = [
            _commons_page(number, work, number in shown, int(params["iiurlwidth"])) for number, work in batch
        ]
        if pages:
            reply["query"] = {"pages": list(reversed(pages))}
        return as_json(reply)


def _commons_page(number: int, work: Work, told: bool, thumb: int) -> dict[str, Any]:
    page: dict[str, Any] = {
        "pageid": 100 + number,
        "ns": 6,
        "title": f"File:{number}.jpg",
        "index": number + 1,
    }
    if not told:
        return page
    about: dict[str, Any] = {"Artist": {"value": f'<a href="//x.example"><b>{work.creator}</b></a>'}}
    about["ObjectName"] = {"value": work.title}
    if work.licence_url is not None:
        about["LicenseUrl"] = {"value": work.licence_url}
        about["LicenseShortName"] = {"value": f"CC {(work.kind or '').upper()} {work.version}"}
    height = max(1, round(work.height * min(1, thumb / work.width)))
    image = {
        "url": work.url,
        "descriptionurl": work.page,
        "thumburl": f"{work.url}?thumb={thumb}" if work.width > thumb else work.url,
        "thumbwidth": min(thumb, work.width),
        "thumbheight": height,
        "width": work.width,
        "height": work.height,
        "size": work.size,
        "mime": work.mime,
        "mediatype": "BITMAP",
        "user": "Uploader",
        "extmetadata": about,
    }
    return page | {"imageinfo": [image | work.extra]}


def as_json(value: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value), {"Content-Type": "application/json"})

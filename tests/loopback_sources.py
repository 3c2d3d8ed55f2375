"""The APIs of all sources on one loopback server, for tests: offer works, and every source finds them.

    with LoopbackSources() as web:
        web.offer("brokkoli", Work(url=web.put("/1.jpg", content), kind="by", version="4.0"))
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)

Each API keeps its own manners: page sizes, keys, tokens, licence parameters, and how it says that it is empty.
"""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import quote

from loopback_server import Answer, Asked
from loopback_wikis import LoopbackWikis, Work, as_json

KEY = "right-key"
SOURCES = (
    "openverse",
    "commons",
    "duckduckgo",
    "bing",
    "flickr",
    "pixabay",
    "serpapi",
    "inaturalist",
    "wikidata",
)
FLICKR = {
    "0": ("All Rights Reserved", ""),
    "1": (
        "Attribution-NonCommercial-ShareAlike License",
        "https://creativecommons.org/licenses/by-nc-sa/2.0/",
    ),
    "4": ("Attribution License", "https://creativecommons.org/licenses/by/2.0/"),
    "6": ("Attribution-NoDerivs License", "https://creativecommons.org/licenses/by-nd/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "9": ("Public Domain Dedication (CC0)", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "11": ("Attribution 4.0 International", "https://creativecommons.org/licenses/by/4.0/"),
    "77": ("A licence that nobody knows yet", "https://licences.example/new/"),
}


class LoopbackSources(LoopbackWikis):
    """The APIs; `works` by lower-case terms, `entities` of Wikidata by their ids."""

    def environment(self, *, keys: bool = True) -> dict[str, str]:
        """The BYOD_* variables that lead every source here."""
        names = {f"BYOD_{source.upper()}_URL": self.url for source in SOURCES} | {
            "BYOD_ALLOW_PRIVATE_HOSTS": "1"
        }
        if keys:
            names |= {f"BYOD_{source}_KEY": KEY for source in ("FLICKR", "PIXABAY", "SERPAPI")}
        return names

    def answer(self, asked: Asked) -> Answer:
        """What the API at this path answers."""
        route = {
            "/v1/images/": self._openverse,
            "/w/api.php": self.wiki,
            "/": self._token,
            "/i.js": self._duckduckgo,
            "/images/async": self._bing,
            "/services/rest/": self._flickr,
            "/api/": self._pixabay,
            "/search.json": self._serpapi,
            "/v1/observations": self._inaturalist,
        }.get(asked.path)
        return route(asked) if route else Answer(404, "no such place")

    def _openverse(self, asked: Asked) -> Answer:
        params = asked.params
        size, page = int(params.get("page_size", 20)), int(params.get("page", 1))
        authorised = asked.headers.get("authorization") == f"Bearer {KEY}"
        if "authorization" in asked.headers and not authorised:
            return as_json({"detail": "Invalid token."}, 401)
        if size > 20 and not authorised:
            return as_json({"detail": "Ensure this value is less than or equal to 20."}, 401)
        if page > 20 or size > 500:
            return as_json({"detail": "Invalid page."}, 400)
        types = set(params.get("license_type", "").split(","))
        works = [
            work
            for work in self.found(params["q"])
            if not ("commercial" in types and "nc" in (work.kind or ""))
            and not ("modification" in types and "nd" in (work.kind or ""))
        ][:240]
        rows = [
            {
                "id": str(number),
                "title": work.title,
                "url": work.url,
                "foreign_landing_url": work.page,
                "creator": work.creator,
                "creator_url": "https://people.example/ada",
                "license": work.kind,
                "license_version": "1.0" if work.kind in ("cc0", "pdm") else work.version,
                "license_url": work.licence_url,
                "attribution": f'"{work.title}" by {work.creator}',
                "width": work.width,
                "height": work.height,
                **work.extra,
            }
            for number, work in enumerate(works)
        ]
        return as_json(
            {
                "result_count": len(rows),
                "page_count": -(-len(rows) // size),
                "page_size": size,
                "page": page,
                "results": rows[(page - 1) * size : page * size],
            }
        )

    def _token(self, asked: Asked) -> Answer:
        return Answer(body=f'<html><script>vqd="{_vqd(asked.params.get("q", ""))}"</script></html>')

    def _duckduckgo(self, asked: Asked) -> Answer:
        params = asked.params
        if params.get("vqd") != _vqd(params["q"]):
            return Answer(403, "If this error persists, please let us know")
        works, start = self.found(params["q"]), int(params.get("s", 0))
        if "license:" in params.get("f", ""):
            works = [work for work in works if work.kind]
        rows = [
            {
                "title": work.title,
                "image": work.url,
                "thumbnail": "https://thumbs.example/1",
                "url": work.page,
                "height": work.height,
                "width": work.width,
                "source": "Bing",
                **work.extra,
            }
            for work in works[start : start + 100]
        ]
        reply: dict[str, Any] = {"query": params["q"], "results": rows}
        if start + 100 < len(works):
            reply["next"] = f"i.js?q={quote(params['q'])}&o=json&p=1&s={start + 100}&u=bing&f=,,,&l=us-en"
        return as_json(reply)

    def _bing(self, asked: Asked) -> Answer:
        params = asked.params
        start = int(params["first"]) - 1
        works = self.found(params["q"])
        if "license-" in params.get("qft", ""):
            works = [work for work in works if work.kind]
        rows = [
            "<li><div class='iuscp'><div class='imgpt'><a class='iusc' m='{}'></a><div class='img_info'>"
            "<span class='nowrap'>{} × {} · jpeg</span></div></div><div class='infopt'></div></div></li>".format(
                html.escape(
                    json.dumps({"murl": work.url, "purl": work.page, "t": work.title} | work.extra),
                    quote=True,
                ),
                work.width,
                work.height,
            )
            for work in works[start : start + 35]
        ]
        return Answer(body=f"<div><ul>{''.join(rows)}</ul></div>")

    def _flickr(self, asked: Asked) -> Answer:
        params = asked.params
        if params.get("api_key") != KEY:
            return as_json(
                {"stat": "fail", "code": 100, "message": "Invalid API Key (Key has invalid format)"}
            )
        if params["method"] == "flickr.photos.licenses.getInfo":
            rows = [{"id": number, "name": name, "url": url} for number, (name, url) in FLICKR.items()]
            return as_json({"licenses": {"license": rows}, "stat": "ok"})
        works = self.found(params["text"])
        if "license" in params:
            works = [work for work in works if work.flickr_licence in params["license"].split(",")]
        size, page = int(params["per_page"]), int(params["page"])
        photos = [
            {
                "id": str(1000 + number),
                "owner": "12345@N00",
                "ownername": work.creator,
                "title": work.title,
                "license": work.flickr_licence,
                "url_l": work.url,
                "width_l": work.width,
                "height_l": work.height,
                **work.extra,
            }
            for number, work in enumerate(works)
        ]
        shown = photos[(page - 1) * size : page * size]
        pages = -(-len(works) // size)
        return as_json(
            {"photos": {"page": page, "pages": pages, "perpage": size, "photo": shown}, "stat": "ok"}
        )

    def _pixabay(self, asked: Asked) -> Answer:
        params = asked.params
        if params.get("key") != KEY:
            return Answer(400, "[ERROR 400] Invalid or missing API key (https://pixabay.com/api/docs/).")
        size, page = int(params["per_page"]), int(params["page"])
        works = self.found(params["q"])
        hits = [
            {
                "id": number,
                "pageURL": work.page,
                "tags": work.title,
                "largeImageURL": work.url,
                "imageWidth": work.width,
                "imageHeight": work.height,
                "user": work.creator,
                "user_id": 42,
                **work.extra,
            }
            for number, work in enumerate(works)
        ]
        return as_json(
            {
                "total": len(works),
                "totalHits": min(500, len(works)),
                "hits": hits[(page - 1) * size : page * size],
            }
        )

    def _serpapi(self, asked: Asked) -> Answer:
        params = asked.params
        if params.get("api_key") != KEY:
            return as_json(
                {"error": "Invalid API key. Your API key should be here: https://serpapi.com/"}, 401
            )
        start = int(params["ijn"]) * 100
        works = self.found(params["q"])
        if start >= len(works):
            return as_json({"error": "Google hasn't returned any results for this query."})
        rows = [
            {
                "position": number,
                "title": work.title,
                "link": work.page,
                "original": work.url,
                "original_width": work.width,
                "original_height": work.height,
                "thumbnail": "https://thumbs.example/1",
                **work.extra,
            }
            for number, work in enumerate(works[start : start + 100])
        ]
        reply: dict[str, Any] = {"images_results": rows}
        if start + 100 < len(works):
            reply["serpapi_pagination"] = {"next": "https://serpapi.com/search.json?ijn=1"}
        return as_json(reply)

    def _inaturalist(self, asked: Asked) -> Answer:
        params = asked.params
        works = self.found(params["taxon_name"])
        if "photo_license" in params:
            accepted = set(params["photo_license"].split(","))
            works = [work for work in works if _inaturalist_code(work) in accepted]
        size, page = int(params["per_page"]), int(params["page"])
        rows = [
            {
                "id": number,
                "license_code": "cc-by-nc-nd",
                "taxon": {"name": work.title},
                "user": {"login": "ada", "name": work.creator},
                "photos": [
                    {
                        "id": 5000 + number,
                        "license_code": _inaturalist_code(work),
                        "attribution": f"(c) {work.creator}, "
                        + ("some rights reserved" if work.kind else "all rights reserved"),
                        "url": work.url,
                        "original_dimensions": {"width": work.width, "height": work.height},
                        **work.extra,
                    }
                ],
            }
            for number, work in enumerate(works)
        ]
        return as_json(
            {"total_results": len(works), "page": page, "results": rows[(page - 1) * size : page * size]}
        )


def _vqd(terms: str) -> str:
    return f"4-{sum(terms.encode())}"


def _inaturalist_code(work: Work) -> str | None:
    return work.kind if work.kind in ("cc0", None) else f"cc-{work.kind}"

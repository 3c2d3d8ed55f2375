"""The licences that are not named by parts, as Creative Commons' are: their codes, names and addresses.

Codes follow SPDX where it has one (https://spdx.org/licenses/).
"""

from __future__ import annotations

from byod.schema.records import Record


class Licence(Record):
    """A licence: its name, the address of its text, and what it allows.

    `open`: may be used, changed and passed on by anybody; `commercial`: and also for money.
    """

    code: str
    name: str
    url: str | None
    open: bool
    commercial: bool


_OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/"
OTHERS = {
    licence.code: licence
    for licence in (
        Licence(
            code="CC0-1.0",
            name="CC0 1.0",
            url="https://creativecommons.org/publicdomain/zero/1.0/",
            open=True,
            commercial=True,
        ),
        Licence(
            code="PDM-1.0",
            name="Public Domain Mark 1.0",
            url="https://creativecommons.org/publicdomain/mark/1.0/",
            open=True,
            commercial=True,
        ),
        Licence(code="PD", name="Public domain", url=None, open=True, commercial=True),
        Licence(
            code="US-Gov",
            name="United States Government Work",
            url="https://www.usa.gov/government-works",
            open=True,
            commercial=True,
        ),
        Licence(
            code="Attribution", name="Attribution (any use with credit)", url=None, open=True, commercial=True
        ),
        Licence(
            code="LAL-1.3",
            name="Free Art License 1.3",
            url="https://artlibre.org/licence/lal/en/",
            open=True,
            commercial=True,
        ),
        Licence(
            code="GFDL",
            name="GNU Free Documentation License",
            url="https://www.gnu.org/licenses/fdl-1.3.html",
            open=True,
            commercial=True,
        ),
        *(
            Licence(code=code, name=name, url=url, open=True, commercial=True)
            for code, name, url in (
                ("Free-Use", "Copyrighted free use", None),
                ("OGL-UK-1.0", "Open Government Licence 1.0", f"{_OGL}1/"),
                ("OGL-UK-2.0", "Open Government Licence 2.0", f"{_OGL}2/"),
                ("OGL-UK-3.0", "Open Government Licence 3.0", f"{_OGL}3/"),
                (
                    "OGL-Canada-2.0",
                    "Open Government Licence - Canada",
                    "https://open.canada.ca/en/open-government-licence-canada",
                ),
                (
                    "GODL-India",
                    "Government Open Data License - India",
                    "https://data.gov.in/government-open-data-license-india",
                ),
                (
                    "KOGL-1",
                    "Korea Open Government License Type 1",
                    "https://www.kogl.or.kr/info/licenseType1.do",
                ),
                (
                    "DL-DE-BY-2.0",
                    "Data licence Germany - attribution 2.0",
                    "https://www.govdata.de/dl-de/by-2-0",
                ),
                (
                    "DL-DE-ZERO-2.0",
                    "Data licence Germany - Zero 2.0",
                    "https://www.govdata.de/dl-de/zero-2-0",
                ),
                (
                    "etalab-2.0",
                    "Licence Ouverte 2.0",
                    "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
                ),
                (
                    "NLOD-2.0",
                    "Norwegian Licence for Open Government Data 2.0",
                    "https://data.norge.no/nlod/en/2.0",
                ),
                ("ODbL-1.0", "Open Database License 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
                ("MIT", "MIT License", "https://opensource.org/license/mit"),
                ("Apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
                ("ISC", "ISC License", "https://opensource.org/license/isc-license-txt"),
                ("MPL", "Mozilla Public License", "https://www.mozilla.org/en-US/MPL/"),
                ("BSD", "BSD License", "https://opensource.org/license/bsd-3-clause"),
                ("GPL", "GNU General Public License", "https://www.gnu.org/licenses/gpl-3.0.html"),
                ("LGPL", "GNU Lesser General Public License", "https://www.gnu.org/licenses/lgpl-3.0.html"),
                ("AGPL", "GNU Affero General Public License", "https://www.gnu.org/licenses/agpl-3.0.html"),
                ("CeCILL", "CeCILL", "https://cecill.info/licences.en.html"),
            )
        ),
        Licence(
            code="Pixabay",
            name="Pixabay Content License",
            url="https://pixabay.com/service/license-summary/",
            open=False,
            commercial=False,
        ),
        Licence(
            code="NKCR",
            name="No known copyright restrictions",
            url="https://www.flickr.com/commons/usage/",
            open=False,
            commercial=False,
        ),
        Licence(code="ARR", name="All rights reserved", url=None, open=False, commercial=False),
    )
}

NAMES = {
    "cc0": "CC0-1.0",
    "cc zero": "CC0-1.0",
    "creative commons zero": "CC0-1.0",
    "public domain dedication": "CC0-1.0",
    "public domain dedication cc0": "CC0-1.0",
    "pdm": "PDM-1.0",
    "public domain mark": "PDM-1.0",
    "pd": "PD",
    "public domain": "PD",
    "public domain work": "PD",
    "united states government work": "US-Gov",
    "us gov": "US-Gov",
    "usgov": "US-Gov",
    "fal": "LAL-1.3",
    "lal": "LAL-1.3",
    "free art license": "LAL-1.3",
    "gfdl": "GFDL",
    "gnu free documentation license": "GFDL",
    "copyrighted free use": "Free-Use",
    "no restrictions": "Free-Use",
    "ogl 1.0": "OGL-UK-1.0",
    "ogl 2.0": "OGL-UK-2.0",
    "ogl 3.0": "OGL-UK-3.0",
    "open government licence 3.0": "OGL-UK-3.0",
    "open government licence 1.0": "OGL-UK-1.0",
    "open government licence 2.0": "OGL-UK-2.0",
    "ogl c": "OGL-Canada-2.0",
    "ogl canada": "OGL-Canada-2.0",
    "open government licence canada": "OGL-Canada-2.0",
    "godl india": "GODL-India",
    "kogl type 1": "KOGL-1",
    "kogl type1": "KOGL-1",
    "dl de by 2.0": "DL-DE-BY-2.0",
    "dl de/by 2 0": "DL-DE-BY-2.0",
    "dl de zero 2.0": "DL-DE-ZERO-2.0",
    "dl de/zero 2 0": "DL-DE-ZERO-2.0",
    "licence ouverte 2.0": "etalab-2.0",
    "etalab 2.0": "etalab-2.0",
    "nlod 2.0": "NLOD-2.0",
    "odbl": "ODbL-1.0",
    "mit": "MIT",
    "mit license": "MIT",
    "expat": "MIT",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "isc": "ISC",
    "mpl": "MPL",
    "mozilla public license": "MPL",
    "bsd": "BSD",
    "bsd license": "BSD",
    "bsd 3 clause": "BSD",
    "bsd 2 clause": "BSD",
    "gpl": "GPL",
    "gplv2": "GPL",
    "gplv3": "GPL",
    "gnu general public license": "GPL",
    "lgpl": "LGPL",
    "gnu lesser general public license": "LGPL",
    "agpl": "AGPL",
    "gnu affero general public license": "AGPL",
    "cecill": "CeCILL",
    "pixabay": "Pixabay",
    "pixabay license": "Pixabay",
    "pixabay content license": "Pixabay",
    "no known copyright restrictions": "NKCR",
    "no known copyright": "NKCR",
    "nkcr": "NKCR",
    "arr": "ARR",
    "all rights reserved": "ARR",
    "copyright": "ARR",
}

ADDRESSES = {
    "www.usa.gov": (
        ("/government-works", "US-Gov"),
        ("/government-copyright", "US-Gov"),
        ("/copyright", "US-Gov"),
    ),
    "www.nationalarchives.gov.uk": tuple(
        (f"/doc/open-government-licence/version/{number}", f"OGL-UK-{number}.0") for number in (1, 2, 3)
    ),
    "opensource.org": (("/license/mit", "MIT"), ("/licenses/mit", "MIT")),
    "www.apache.org": (("/licenses/license-2.0", "Apache-2.0"),),
    "data.gov.in": (("/government-open-data-license-india", "GODL-India"),),
    "www.kogl.or.kr": (("/info/licensetype1", "KOGL-1"),),
    "artlibre.org": (("/licence/lal", "LAL-1.3"),),
    "www.gnu.org": (
        *(
            ("/copyleft/fdl", "GFDL"),
            ("/licenses/fdl", "GFDL"),
            ("/copyleft/gpl", "GPL"),
            ("/licenses/gpl", "GPL"),
        ),
        *(("/licenses/lgpl", "LGPL"), ("/licenses/agpl", "AGPL")),
    ),
    "flickr.com": (("/commons/usage", "NKCR"),),
    "pixabay.com": (("/service/license", "Pixabay"),),
}

"""Licences: any source's words become one code, and policies fail closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.schema import licences
from byod.schema.reasons import Reason
from byod.schema.records import Policy

KINDS = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
VERSIONS = ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
        ("cc-by-sa-3.0-de", "CC-BY-SA-3.0-DE"),
        ("CC BY-SA 4.0,3.0,2.5,2.0,1.0", "CC-BY-SA-4.0"),
        ("CC BY-SA 2.5-2.0-1.0", "CC-BY-SA-2.5"),
        ("CC BY 2.0", "CC-BY-2.0"),
        ("CC BY 3.0 Unported", "CC-BY-3.0"),
        ("cc-by", "CC-BY"),
        ("cc-by-nc-nd", "CC-BY-NC-ND"),
        ("CC BY-ND-NC 1.0", "CC-BY-NC-ND-1.0"),
        ("Attribution License", "CC-BY"),
        ("Attribution-NonCommercial-ShareAlike License", "CC-BY-NC-SA"),
        ("Attribution-NoDerivs License", "CC-BY-ND"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("Creative Commons Attribution-NoDerivatives 4.0 International", "CC-BY-ND-4.0"),
        ("Creative Commons Attribution-Share Alike 3.0", "CC-BY-SA-3.0"),
        ("CC0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("Public Domain Dedication (CC0)", "CC0-1.0"),
        ("Public Domain Mark 1.0", "PDM-1.0"),
        ("Public domain", "PD"),
        ("pd", "PD"),
        ("United States Government Work", "US-Gov"),
        ("Attribution", "Attribution"),
        ("FAL", "LAL-1.3"),
        ("GFDL 1.2", "GFDL"),
        ("All Rights Reserved", "ARR"),
        ("No known copyright restrictions", "NKCR"),
        ("Pixabay License", "Pixabay"),
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/deed.en", "CC-BY-SA-3.0-DE"),
        ("https://www.creativecommons.org/licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.de", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/igo/", "CC-BY-3.0-IGO"),
        ("https://creativecommons.org/licenses/sampling+/1.0/", "CC-SAMPLING+-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/deed.de", "PDM-1.0"),
        ("https://www.flickr.com/commons/usage/", "NKCR"),
        ("https://www.usa.gov/copyright.shtml", "US-Gov"),
        ("CC-BY-3.0-DE", "CC-BY-3.0-DE"),
        ("Copyrighted free use", "Free-Use"),
        ("OGL 3", "OGL-UK-3.0"),
        ("Open Government Licence v2.0", "OGL-UK-2.0"),
        ("http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3", "OGL-UK-3.0"),
        ("GODL-India", "GODL-India"),
        ("KOGL Type 1", "KOGL-1"),
        ("MIT", "MIT"),
        ("GPL", "GPL"),
        ("GPL v2 or later", "GPL"),
        ("LGPL", "LGPL"),
        ("dl-de/by-2-0", "DL-DE-BY-2.0"),
        ("CC BY-SA 3.0 igo", "CC-BY-SA-3.0-IGO"),
        ("CC BY 2.5 scotland", "CC-BY-2.5-SCOTLAND"),
        ("gfdl", "GFDL"),
        ("Apache License 2.0", "Apache-2.0"),
        ("Licence Ouverte 2.0", "etalab-2.0"),
        ("MPL 1.1", "MPL"),
        ("United States Government Work, https://www.usa.gov/government-copyright", "US-Gov"),
        ("https://www.usa.gov/government-copyright", "US-Gov"),
    ],
)
def test_words_and_addresses_become_codes(words, code):
    """Every spelling that the sources use leads to its one code."""
    assert licences.read(words) == code
    assert licences.licence(code) is not None


@pytest.mark.parametrize(
    "words",
    [
        None,
        7,
        "",
        "by",
        "BY 4.0",
        "CC",
        "CC BY 9.9",
        "CC BY 4",
        "not under CC BY",
        "CC BY 4.0 only for members",
        "All rights reserved, no CC BY 4.0",
        "CC BY-ND-SA 4.0",
        "CC BY BY 4.0",
        "Attribution required, no reuse",
        "free",
        "https://creativecommons.org.evil.example/licenses/by/4.0/",
        "https://evil.example/creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org@evil.example/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/7.0/",
        "https://creativecommons.org/licenses/",
        "https://[::1/licenses/by/4.0/",
        "javascript://creativecommons.org/licenses/by/4.0/",
        "OGL",
        "OGL 7",
        "Apache License 1.1",
        "KOGL Type 2",
        "not under MIT",
        "no CC BY, https://creativecommons.org/licenses/by/4.0/",
        "CC BY 4.0" + " " * 5000,
    ],
)
def test_what_is_not_a_stated_licence_is_unknown(words):
    """Half-known, hostile and negated words are no licence, so that policies refuse them."""
    assert licences.read(words) is None
    assert licences.allows(Policy.OPEN, licences.read(words)) is Reason.LICENCE_UNKNOWN


@pytest.mark.parametrize(
    ("code", "is_open", "is_commercial"),
    [
        ("CC-BY-4.0", True, True),
        ("CC-BY-SA-3.0-DE", True, True),
        ("CC0-1.0", True, True),
        ("PDM-1.0", True, True),
        ("PD", True, True),
        ("CC-BY-NC-4.0", True, False),
        ("CC-BY-NC-SA-2.0", True, False),
        ("CC-BY-ND-4.0", False, False),
        ("CC-BY-NC-ND-4.0", False, False),
        ("CC-SAMPLING+-1.0", False, False),
        ("Pixabay", False, False),
        ("NKCR", False, False),
        ("ARR", False, False),
    ],
)
def test_policies(code, is_open, is_commercial):
    """`open` refuses what may not be changed, `commercial` also what may not be sold, `any` refuses nothing."""
    assert licences.allows(Policy.ANY, code) is None
    assert (licences.allows(Policy.OPEN, code) is None) == is_open
    assert (licences.allows(Policy.COMMERCIAL, code) is None) == is_commercial


def test_policies_fail_closed():
    """What is not stated, or is not a code, is refused under `open` and `commercial` and passes under `any`."""
    for unknown in (None, "", "CC-BY-9.9", "WTFPL", "cc-by-4.0"):
        assert licences.allows(Policy.ANY, unknown) is None
        assert licences.allows(Policy.OPEN, unknown) is Reason.LICENCE_UNKNOWN
        assert licences.allows(Policy.COMMERCIAL, unknown) is Reason.LICENCE_UNKNOWN


@given(st.sampled_from(KINDS), st.sampled_from(VERSIONS), st.sampled_from([None, "de", "us", "scotland"]))
def test_codes_survive_their_own_address_and_name(kind, version, country):
    """A code, its address and its name all lead back to the code."""
    code = licences.code(kind, version, country)
    known = licences.licence(code)
    assert known is not None
    assert known.code == code
    assert licences.from_url(known.url) == code
    assert licences.read(code) == code
    assert known.commercial <= known.open


@given(
    st.text(max_size=80)
    | st.from_regex(r"(cc|CC|attribution)[ -](by|nc|sa|nd|\d\.\d|[a-z ]){0,6}", fullmatch=True)
)
def test_any_text_is_read_without_trouble(words):
    """Reading never fails, and whatever it finds is a known code that reads as itself."""
    found = licences.read(words)
    if found is not None:
        assert licences.licence(found) is not None
        assert licences.read(found) == found


@given(st.text(max_size=40), st.text(max_size=6), st.text(max_size=10))
def test_any_parts_are_read_without_trouble(kind, version, country):
    """Made-up parts give no code, or a known one."""
    found = licences.code(kind, version, country)
    assert found is None or licences.licence(found) is not None


@given(st.text(max_size=60))
def test_an_address_elsewhere_is_no_licence(path):
    """The words of a licence on somebody else's host prove nothing."""
    assert licences.from_url(f"https://example.com/creativecommons.org/licenses/by/4.0/{path}") is None

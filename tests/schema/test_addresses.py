"""Addresses without their secrets."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from byod.schema.addresses import shown, shown_in, without_user
from byod.schema.records import Candidate, Origin, told

SIGNED = {
    "https://bob:SECRET@host/a.jpg": "https://host/a.jpg",
    "HTTPS://SECRET@host:8080/a.jpg?x=1#part": "HTTPS://host:8080/a.jpg?x=1#part",
    "https://bob:SEC/RET@host/a.jpg": "https://host/a.jpg",
    "https://h/a?X-Amz-Algorithm=A&X-Amz-Credential=SECRET&X-Amz-Signature=SECRET&id=3": "https://h/a?id=3",
    "https://h/a?X%2DAmz%2DSignature=SECRET": "https://h/a",
    "https://h/a?AWSAccessKeyId=SECRET&Expires=1&Signature=SECRET%3D&v=2": "https://h/a?v=2",
    "https://h/a?X-Goog-Credential=SECRET&X-Goog-Signature=SECRET": "https://h/a",
    "https://h/a?GoogleAccessId=SECRET&Expires=1&Signature=SECRET": "https://h/a",
    "https://h/a?OSSAccessKeyId=SECRET&Expires=1&Signature=SECRET": "https://h/a",
    "https://h/a?q-sign-algorithm=sha1&q-ak=SECRET&q-signature=SECRET": "https://h/a",
    "https://h/a?sv=1&st=2&se=3&sr=b&sp=r&sig=SECRET%2F&id=7": "https://h/a?id=7",
    "https://h/a?Policy=SECRET&Signature=SECRET&Key-Pair-Id=SECRET": "https://h/a",
    "https://h/a?hdnts=exp=1~acl=/*~hmac=SECRET&w=5": "https://h/a?w=5",
    "https://h/a?hdnea=exp=1~acl=/*~hmac=SECRET": "https://h/a",
    "https://h/a?__token__=exp=1~hmac=SECRET": "https://h/a",
    "https://h/hdnts=exp=1~acl=/*~hmac=SECRET/a.jpg": "https://h/a.jpg",
    "https://h/a?akamai=exp=1~hmac=SECRET": "https://h/a",
    "https://h/a?w=1;token=SECRET;SECRET": "https://h/a?w=1",
    "https://h/a?apikey=SECRET&api_key=SECRET&API-KEY=SECRET&key=SECRET&page=3": "https://h/a?page=3",
    "https://h/a?accessToken=SECRET&auth_token=SECRET&accesstoken=SECRET&id_token=SECRET": "https://h/a",
    "https://h/a?auth=SECRET&password=SECRET&pwd=SECRET&user%5Bpassword%5D=SECRET": "https://h/a",
    "https://h/a;jsessionid=SECRET/b?x=1": "https://h/a/b?x=1",
    "https://h/a#access_token=SECRET&y=1": "https://h/a#y=1",
    "https://h/a?a=1&amp;token=SECRET": "https://h/a?a=1",
    "https://h/r?u=https%3A%2F%2Fbob%3ASECRET%40i%2Fx%3Fsig%3DSECRET&y=1": "https://h/r?u=https%3A%2F%2Fi%2Fx&y=1",
    "https://h/r?u=https://bob:SECRET@i/x": "https://h/r?u=https://i/x",
    "https://h/2020/https://bob:SECRET@i/x": "https://h/2020/https://i/x",
    "https://h/a?w=640&s=5EC2E7000123456789abcdef01234567": "https://h/a?w=640",
    "https://h/a?ex=65f&is=64e&hm=5EC2E7000123456789abcdef01234567": "https://h/a",
    "https://h/a?x=eyJhbGci.SECRET.SECRET": "https://h/a",
    "https://h/a?_nc_ht=x&_nc_ohc=SECRET&oh=00_5EC2E7000123456789abcdef&oe=65AA": "https://h/a?_nc_ht=x",
    "https://h/a?PHPSESSID=SECRET&session=SECRET&pw=SECRET&csrf=SECRET": "https://h/a",
    "https://h/a?rlkey=SECRET&resourcekey=SECRET&upsig=SECRET&dl=1": "https://h/a?dl=1",
    "https://h/a?URLPrefix=SECRET&Expires=1&KeyName=k&Signature=SECRET": "https://h/a",
    "https://h/a?wsSecret=SECRET&X-Plex-Token=SECRET&oauth_consumer_key=SECRET": "https://h/a",
    "//bob:SECRET@host/a": "//host/a",
}
PLAIN = (
    "https://h/a.jpg",
    "https://h/a.jpg?id=3&width=640&keyword=cat&author=bob&Expires=5&s=3&st=Berlin&sp=2&code=abc",
    "https://h/a.jpg?x-oss-process=image/resize,w_100&config=2&spinning=3&cookies=4",
    "https://medium.com/@user/a?id=1",
    "https://www.flickr.com/photos/1@N00/2?a=b@c",
    "https://h/File:A=b.jpg?uselang=de&monkey=1&design=x&passage=2",
    "http://[::1]:80/a?b=%2F%20c",
    "file:///data/token=1/bob@home?.jpg",
    "",
)


@pytest.mark.parametrize("address", SIGNED)
def test_secrets_go(address):
    """An address of each known kind of signing is shown without its secret, and with all that tells the picture."""
    assert shown(address) == SIGNED[address]
    assert shown(SIGNED[address]) == SIGNED[address]


@pytest.mark.parametrize("address", PLAIN)
def test_plain_addresses_stay(address):
    """An address without a secret is shown letter by letter."""
    assert shown(address) == address


def test_words_lose_the_secrets_of_their_addresses():
    """Addresses in a message, whole ones and paths, and parameters that stand alone, are shown without secrets."""
    said = "Max retries exceeded with url: /p.jpg?a=1&X-Amz-Signature=SECRET (Caused by X)"
    assert shown_in(said) == "Max retries exceeded with url: /p.jpg?a=1 (Caused by X)"
    assert shown_in("redirect to ftp://bob:SECRET@host/x?sig=SECRET") == "redirect to ftp://host/x"
    assert (
        shown_in('by <a href="https://u:SECRET@h/x?token=SECRET">B</a>') == 'by <a href="https://h/x">B</a>'
    )
    assert shown_in("refused: token=SECRET") == "refused: …"
    assert shown_in("a = b, me@example.org, 50 %") == "a = b, me@example.org, 50 %"


@example("@\\@")
@example(";%/@")
@example("@/@/@/x")
@given(st.text(alphabet="ab:/\\?#@&=;%23FA.~ \t[]", max_size=60) | st.text(max_size=40))
def test_what_is_shown_stays(rest):
    """Whatever an address is, showing it once more changes nothing, and never leaves nothing."""
    for address in (rest, f"https://{rest}", f"https://h/?token=x&{rest}", f"https://h/{rest}&sig=1"):
        once = shown(address)
        assert shown(once) == once
        assert bool(once) == bool(address)
        words = shown_in(address)
        assert shown_in(words) == words


@given(st.text(alphabet=st.characters(exclude_characters="/\\?#@:", exclude_categories=["Cs"]), min_size=1))
def test_no_user_is_left(name):
    """Whatever name and password an address begins with, only host and path are left."""
    assert without_user(f"https://{name}:{name}@host/a") == "https://host/a"


def test_what_leaves_of_a_candidate_holds_no_secret():
    """An origin, made with or without checks, and a shown candidate hold no secret in any field that can hold one."""
    signed = "https://bob:SECRET@h/a?token=SECRET"
    texts = dict.fromkeys(("title", "creator", "attribution", "terms"), f"see {signed}")
    known = {
        "url": signed,
        "page": signed,
        "creator_url": signed,
        "licence_url": signed,
        "source": "urls",
        **texts,
    }
    candidate = Candidate(label="cat", **known)
    assert "SECRET" not in candidate.shown.model_dump_json()
    assert "SECRET" not in Origin(sha256="0" * 64, **known).model_dump_json()
    made = Origin.unchecked({**told(candidate.model_dump()), "sha256": "0" * 64, "fetched_at": None})
    assert made == Origin(sha256="0" * 64, **known)

"""Reasons: why an offered picture is not among the kept ones, and all that follows from each, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from byod.schema.open_enum import OpenEnum


class Reason(OpenEnum):
    """The reasons why an offered picture is not among the kept ones: the whole list of this byod."""

    # before fetching
    LICENCE_UNKNOWN = "licence-unknown"
    LICENCE_REFUSED = "licence-refused"
    EXCLUDED_HOST = "excluded-host"
    BAD_ADDRESS = "bad-address"
    PRIVATE_ADDRESS = "private-address"
    ROBOTS = "robots"
    # while fetching
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    DEADLINE = "deadline"
    CONNECTION_LOST = "connection-lost"
    PROTOCOL = "protocol"
    REDIRECTS = "redirects"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    HTTP_ERROR = "http-error"
    TOO_LARGE = "too-large"
    EMPTY = "empty"
    ENCODING = "encoding"
    OPTED_OUT = "opted-out"
    HASH_MISMATCH = "hash-mismatch"
    DAMAGED = "damaged"
    # once the bytes are here
    NOT_A_PICTURE = "not-a-picture"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_SMALL = "too-small"
    BAD_ASPECT = "bad-aspect"
    ANIMATED = "animated"
    BLANK = "blank"
    # once it is compared with the others
    PLACEHOLDER = "placeholder"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    SURPLUS = "surplus"
    # by somebody's hand
    REVIEW = "review"
    DELETED = "deleted"

    @property
    def traits(self) -> Traits:
        """All that follows from the reason; one of a newer byod stands as if the picture itself were to blame."""
        return TRAITS.get(self) or Traits(When.OPENED, self.value)

    @property
    def transient(self) -> bool:
        """True if the same address may well answer at the next run."""
        return self.traits.retry is Retry.NEXT_RUN


class When(StrEnum):
    """At which step a picture is refused."""

    OFFERED = "before it is fetched"
    FETCHED = "while it is fetched"
    OPENED = "by what the picture itself is; no comparison with others changes that"
    COMPARED = "by comparison with the others"
    PERSON = "by a person"


class Retry(StrEnum):
    """The next try of an address that was refused."""

    NEVER = "never"
    NEXT_RUN = "at the next run"
    OTHER_ASKER = "when the contact, the agent or the key is another, or with --ask-again"
    ON_REQUEST = "when the user takes the responsibility (--ignore-optout)"


@dataclass(frozen=True, slots=True)
class Traits:
    """All that follows from a reason.

    `words` say it to people. `at_once` means that it is tried again within the run, `unreached` that it speaks against
    the host and not only against the address. `statuses` are the HTTP answers that are read so (5xx apart), `answer` is
    what byod's own server says to a picture refused so. `unreadable` means that there was an answer, which
    cannot be read: of a robots.txt that is not the last word. `compared` means that a picture rejected so was compared
    with all others all the same, `other_size` that another address of the picture, in another size, may give it,
    `by_recipe` that the recipe refuses it whatever its host answers, `own_section` that the page of a check shows such
    pictures in a section of their own.
    """

    when: When
    words: str
    retry: Retry = Retry.NEVER
    at_once: bool = False
    unreached: bool = False
    statuses: tuple[int, ...] = ()
    answer: int = 422
    unreadable: bool = False
    compared: bool = False
    other_size: bool = False
    by_recipe: bool = False
    own_section: bool = False


TRAITS: dict[Reason, Traits] = {
    Reason.LICENCE_UNKNOWN: Traits(
        When.OFFERED, "the source states no licence, and the licence policy asks for one", by_recipe=True
    ),
    Reason.LICENCE_REFUSED: Traits(
        When.OFFERED, "the licence policy does not accept the stated licence", by_recipe=True
    ),
    Reason.EXCLUDED_HOST: Traits(
        When.OFFERED,
        "the site, or the page it is shown on, is excluded (stock sites carry watermarks)",
        by_recipe=True,
    ),
    Reason.BAD_ADDRESS: Traits(When.OFFERED, "the address is not a web address"),
    Reason.PRIVATE_ADDRESS: Traits(When.OFFERED, "the address leads into a private network"),
    Reason.ROBOTS: Traits(
        When.OFFERED, "the site's robots.txt asks programs to stay away", retry=Retry.ON_REQUEST
    ),
    Reason.DNS: Traits(
        When.FETCHED, "the host's name could not be found", retry=Retry.NEXT_RUN, at_once=True, unreached=True
    ),
    Reason.CONNECT: Traits(
        When.FETCHED, "the host did not answer", retry=Retry.NEXT_RUN, at_once=True, unreached=True
    ),
    Reason.TLS: Traits(When.FETCHED, "the host's certificate is not valid"),
    Reason.DEADLINE: Traits(When.FETCHED, "the answer took too long", retry=Retry.NEXT_RUN, unreached=True),
    Reason.CONNECTION_LOST: Traits(
        When.FETCHED, "the connection broke off", retry=Retry.NEXT_RUN, at_once=True
    ),
    Reason.PROTOCOL: Traits(When.FETCHED, "the answer is not proper HTTP", unreadable=True),
    Reason.REDIRECTS: Traits(When.FETCHED, "the address leads on too many times", other_size=True),
    Reason.RATE_LIMITED: Traits(
        When.FETCHED,
        "the host asked byod to slow down",
        retry=Retry.NEXT_RUN,
        at_once=True,
        statuses=(429,),
        other_size=True,
    ),
    Reason.SERVER_ERROR: Traits(
        When.FETCHED,
        "the host reported an error of its own",
        retry=Retry.NEXT_RUN,
        at_once=True,
        statuses=(408, 425),
        other_size=True,
    ),
    Reason.NOT_FOUND: Traits(
        When.FETCHED, "the picture is no longer there", statuses=(404, 410), other_size=True
    ),
    Reason.FORBIDDEN: Traits(
        When.FETCHED,
        "the host does not hand the picture out",
        retry=Retry.OTHER_ASKER,
        statuses=(401, 402, 403, 407, 451),
        other_size=True,
    ),
    Reason.HTTP_ERROR: Traits(When.FETCHED, "the host refused the request", other_size=True),
    Reason.TOO_LARGE: Traits(
        When.FETCHED, "the file is larger than allowed", unreadable=True, other_size=True
    ),
    Reason.EMPTY: Traits(When.FETCHED, "the file is empty", statuses=(204, 205), other_size=True),
    Reason.ENCODING: Traits(When.FETCHED, "the transfer encoding could not be undone", unreadable=True),
    Reason.OPTED_OUT: Traits(
        When.FETCHED, "the owner does not want it used for machine learning", retry=Retry.ON_REQUEST
    ),
    Reason.HASH_MISMATCH: Traits(When.FETCHED, "the file is another than the list expects by its hash"),
    Reason.DAMAGED: Traits(
        When.FETCHED,
        "the archive or disk it lies on is damaged",
        retry=Retry.NEXT_RUN,
    ),
    Reason.NOT_A_PICTURE: Traits(When.OPENED, "the file is not a picture (often an HTML page)", answer=415),
    Reason.UNSUPPORTED: Traits(When.OPENED, "the kind of picture is not supported", answer=415),
    Reason.BROKEN: Traits(When.OPENED, "the picture is damaged or cut short"),
    Reason.TOO_MANY_PIXELS: Traits(
        When.OPENED, "the picture has more pixels than is safe to open", answer=413
    ),
    Reason.TOO_SMALL: Traits(When.OPENED, "the picture is smaller than asked for"),
    Reason.BAD_ASPECT: Traits(When.OPENED, "the picture is too long and narrow"),
    Reason.ANIMATED: Traits(When.OPENED, "the picture is an animation"),
    Reason.BLANK: Traits(When.OPENED, "the picture is of one colour"),
    Reason.PLACEHOLDER: Traits(
        When.COMPARED, 'a stand-in such as "image not available", seen under many addresses', own_section=True
    ),
    Reason.DUPLICATE: Traits(
        When.COMPARED, "a copy of a picture that was kept", compared=True, own_section=True
    ),
    Reason.CONFLICT: Traits(
        When.COMPARED,
        "the same picture under two class names; nobody has decided yet",
        compared=True,
        own_section=True,
    ),
    Reason.SURPLUS: Traits(
        When.COMPARED, "the class already had as many pictures as asked for", compared=True
    ),
    Reason.REVIEW: Traits(When.PERSON, "a person said that it does not belong", compared=True),
    Reason.DELETED: Traits(When.PERSON, "the file was deleted from its class folder"),
}

_BY_STATUS = {status: reason for reason, traits in TRAITS.items() for status in traits.statuses}


def of_status(status: int) -> Reason:
    """The reason that an HTTP status without a picture stands for."""
    return _BY_STATUS.get(status, Reason.SERVER_ERROR if 500 <= status < 600 else Reason.HTTP_ERROR)


def meaning(word: str) -> str:
    """Explain a reason in words for people; the word itself for one that is not in the list."""
    return Reason(word).traits.words if word in set(Reason) else word

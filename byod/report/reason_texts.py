"""What each refusal means, in words for people: for the dataset card and the pages."""

from __future__ import annotations

from byod.schema.records import Reason

MEANINGS: dict[Reason, str] = {
    Reason.LICENCE_UNKNOWN: "the source states no licence, and the licence policy asks for one",
    Reason.LICENCE_REFUSED: "the licence policy does not accept the stated licence",
    Reason.BAD_ADDRESS: "the address is no web address",
    Reason.PRIVATE_ADDRESS: "the address leads into a private network",
    Reason.ROBOTS: "the site's robots.txt asks programs to stay away",
    Reason.DNS: "the host's name could not be found",
    Reason.CONNECT: "the host did not answer",
    Reason.TLS: "the host's certificate is not valid",
    Reason.DEADLINE: "the answer took too long",
    Reason.CONNECTION_LOST: "the connection broke off",
    Reason.PROTOCOL: "the answer is not proper HTTP",
    Reason.REDIRECTS: "the address leads on too many times",
    Reason.RATE_LIMITED: "the host asked byod to slow down",
    Reason.SERVER_ERROR: "the host reported an error of its own",
    Reason.NOT_FOUND: "the picture is no longer there",
    Reason.FORBIDDEN: "the host does not hand the picture out",
    Reason.HTTP_ERROR: "the host refused the request",
    Reason.TOO_LARGE: "the file is larger than allowed",
    Reason.EMPTY: "the file is empty",
    Reason.ENCODING: "the transfer encoding could not be undone",
    Reason.OPTED_OUT: "the owner does not want it used for machine learning",
    Reason.NOT_A_PICTURE: "the file is no picture (often an HTML page)",
    Reason.UNSUPPORTED: "the kind of picture is not supported",
    Reason.BROKEN: "the picture is damaged or cut short",
    Reason.TOO_MANY_PIXELS: "the picture has more pixels than is safe to open",
    Reason.TOO_SMALL: "the picture is smaller than asked for",
    Reason.BAD_ASPECT: "the picture is too long and narrow",
    Reason.ANIMATED: "the picture is an animation",
    Reason.BLANK: "the picture is of one colour",
    Reason.PLACEHOLDER: 'a stand-in such as "image not available", seen under many addresses',
    Reason.DUPLICATE: "a copy of a picture that was kept",
    Reason.CONFLICT: "the same picture under two class names; nobody has decided yet",
    Reason.SURPLUS: "the class already had as many pictures as asked for",
    Reason.REVIEW: "a person said that it does not belong",
    Reason.DELETED: "the file was deleted from its class folder",
}


def meaning(word: str) -> str:
    """What a reason means; the word itself for one that is not in the list."""
    return MEANINGS[Reason(word)] if word in list(Reason) else word

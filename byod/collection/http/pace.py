"""The pace that a host bears, learned from what it refuses: slower at once after a refusal, then faster bit by bit.

A host says no by 429, or by 503 after it has served others. Then it is left alone for as long as it asks, or three
times as long as the last time where it does not say. The first request it serves again tells how many it serves over a
longer time: what it served since the time before, rest included. That is its pace from then on, and it is tried a
little faster after each sixteen that went well (additive increase, multiplicative decrease, as TCP does it:
https://www.rfc-editor.org/rfc/rfc5681).
"""

from __future__ import annotations

from dataclasses import dataclass

_SURE, _FASTER = 16, 0.9
"""So many served in a row make byod try a little faster."""
_FEW, _SOON, _MUCH_FASTER = 2, 8, 0.7
"""A pace that so few served pictures taught is a first guess, and is left sooner and by more."""
_SLOWER = 1.5
_GROWING = 3.0
_FIRST = 1.5
_IDLE = 2.0
"""Seconds without a request beyond which the host is not to blame for them."""
_PATIENT = 5
_HURRIED = 3
_TOLD = 8
"""So many refusals in a row, and the host is given up: one worth waiting for, another one, one that says how long."""


@dataclass(slots=True)
class Pace:
    """What one host has taught: `interval` seconds between two starts, `at_once` requests (None: as many as allowed).

    `served` counts what it answered, `refusals` how often in a row it said no; times are monotonic seconds.
    """

    interval: float = 0.0
    at_once: int | None = None
    served: int = 0
    refusals: int = 0
    _since: float | None = None
    _served_since: int = 0
    _well: int = 0
    _guessed: bool = False
    _last_start: float = 0.0
    _refused_at: float = float("-inf")

    def started(self, now: float, ready: float) -> None:
        """A request goes out; it could have gone out at `ready`, had there been one to send."""
        idle = now - max(ready, self._last_start)
        if self._since is None:
            self._since = now
        elif idle > _IDLE:
            self._since += idle
        self._last_start = now

    def answered(self, started: float, most: int) -> None:
        """A request that went out at `started` was served, where at most `most` at a time are allowed."""
        self.served += 1
        if started <= self._refused_at:
            return  # went out before the refusal: says nothing about the pace after it
        if self.refusals:
            since = started if self._since is None else self._since
            self.interval = max(self.interval, (started - since) / max(1, self._served_since))
            self._guessed = self._served_since <= _FEW and self.served <= 2 * _FEW
            self.refusals, self._since, self._served_since = 0, started, 0
        self._served_since += 1
        self._well += 1
        if self._well % (_SOON if self._guessed else _SURE) == 0:
            self.interval *= _MUCH_FASTER if self._guessed else _FASTER
        if self._well % (2 * _SURE) == 0 and self.at_once is not None:
            self.at_once = self.at_once + 1 if self.at_once + 1 < most else None

    def refused(self, now: float, started: float, asked: float | None, first: float, most: int) -> float:
        """A request that went out at `started` was refused; returns the seconds to leave the host alone.

        Args:
            now: the time of the answer.
            started: when the request went out.
            asked: the rest that the host asks for, None where it does not say.
            first: the shortest rest where it does not say.
            most: how many requests at a time are allowed.
        """
        if started > self._refused_at:  # else one of several that were under way: it was counted
            self._refused_at = now
            self.refusals += 1
            self._well = 0
            self.interval *= _SLOWER
            self.at_once = max(1, (most if self.at_once is None else self.at_once) // 2)
        if asked is None:
            return first * _FIRST * _GROWING ** (self.refusals - 1)
        if self.refusals < 2:
            return asked
        return max(asked, first * _FIRST * _GROWING ** (self.refusals - 2))  # what it said was not enough

    def hopeless(self, waiting: int, asked: float | None) -> bool:
        """True once the host is not worth another wait in this run; `waiting` addresses of it are left."""
        worth_it = self.served > 0 or waiting >= _HURRIED
        return self.refusals >= (_TOLD if asked is not None else _PATIENT if worth_it else _HURRIED)

"""The pace of a host: what a limit teaches, tried against simulated hosts with a clock of their own."""

import pytest

from byod.collection.http.pace import Pace

REST = 1.0


class Window:
    """A host that serves `most` requests in any `seconds`, and says how long to wait or not."""

    def __init__(self, most, seconds, tells):
        self.most, self.seconds, self.tells, self.served = most, seconds, tells, []

    def ask(self, now):
        recent = [at for at in self.served if now - at < self.seconds]
        if len(recent) >= self.most:
            return False, self.seconds - (now - recent[0]) if self.tells else None
        self.served.append(now)
        return True, None


def fetch(host, pace, number):
    """Ask for so many, one after the other, as the scheduler does; returns the refusals and the seconds."""
    now, ready, refused, done = 0.0, 0.0, 0, 0
    while done < number:
        now = max(now, ready)
        pace.started(now, ready)
        served, asked = host.ask(now)
        ready = now + pace.interval
        now += 0.01
        if served:
            done += 1
            pace.answered(now - 0.01, 2)
        else:
            refused += 1
            assert not pace.hopeless(number - done, asked)
            ready = now + pace.refused(now, now - 0.01, asked, REST, 2)
    return refused, now


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("most", "seconds"),
    [(1, 1.0), (1, 0.2), (20, 30.0), (10, 8.0), (10, 3.0), (30, 60.0), (100, 60.0), (5, 10.0)],
)
def test_a_limit_is_learned_at_the_price_of_few_refusals(most, seconds, tells):
    """Behind a limit all pictures come, at most one request in ten is refused, in at most three times the time."""
    refused, took = fetch(Window(most, seconds, tells), Pace(), 200)
    assert refused <= 20
    assert took < 3 * max(200 / most - 1, 1) * seconds + 60


def test_a_host_that_refuses_nothing_is_not_slowed():
    """Without a refusal there is no pause between two requests."""
    pace = Pace()
    refused, took = fetch(Window(1000, 1.0, False), pace, 500)
    assert (refused, pace.interval, pace.at_once) == (0, 0.0, None)
    assert took < 6


def test_a_slowed_host_is_tried_faster_again():
    """What was served since makes the pauses shorter, and more requests at once are allowed again."""
    pace = Pace(served=1)
    pace.started(0.0, 0.0)
    pace.answered(0.0, 2)
    pace.refused(1.0, 0.5, None, REST, 2)
    for number in range(200):
        pace.answered(10.0 + number, 2)
    assert pace.interval < 10.0 / 2
    assert pace.at_once is None


def test_requests_under_way_count_as_one_refusal():
    """Several requests that were sent before the first refusal came back are not several refusals."""
    pace = Pace(served=1)
    for started in (0.0, 0.1, 0.2):
        pace.refused(1.0, started, None, REST, 8)
    assert (pace.refusals, pace.at_once) == (1, 4)


def test_an_idle_hour_is_no_slowness_of_the_host():
    """Time in which nothing was to be asked does not count as time that the host needed."""
    pace = Pace()
    for at in (0.0, 1.0, 3600.0):
        pace.started(at, at if at < 2 else 1.0)
        pace.answered(at, 2)
    pace.refused(3600.2, 3600.1, None, REST, 2)
    pace.answered(3602.0, 2)
    assert pace.interval < 2

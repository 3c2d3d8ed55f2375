"""What CI demands of the whole suite: nothing is skipped for a missing part, and what needs a GPU is not asked for."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# a property is no speed bar; what failed is printed so that it can be tried again
settings.register_profile(
    "byod", settings.default, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("byod")

# before any test imports torch: its waiting threads spin otherwise, and on busy cores tests take many times as long
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# tests run on all cores already, and what they train is too small for two threads to be quicker than one
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores: a third of the time tests wait, for servers and browsers."""
    return (os.cpu_count() or 1) + 1


# a shell that starts tests in its background has them ignore Ctrl-C, and all that they start as well
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WHOLLY_SLOW = re.compile(r"^pytestmark = .*\bmark\.(slow|long)\b", re.MULTILINE)


class NothingSkipped:
    """Fails a session in which a test was skipped, and names it; an expected failure is no skip.

    Where tests run in several processes, each tells the first one which files it skipped: nobody else does.
    """

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self.files: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test was skipped as it was set up or as it ran."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(self._line(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A whole file was skipped."""
        if report.skipped:
            self.files.append(self._line(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """One of several processes has ended; all of them collected the same files."""
        self.files = list(dict.fromkeys([*self.files, *getattr(node, "workeroutput", {}).get("skipped", [])]))

    @staticmethod
    def _line(report: pytest.TestReport | pytest.CollectReport) -> str:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return f"{report.nodeid}: {reason}"

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """What would have been a success is none."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["skipped"] = self.files
        if self.skipped + self.files and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what was skipped, and why."""
        if self.skipped + self.files:
            terminalreporter.section("skipped in CI, which counts as failed", red=True)
            for line in self.files + self.skipped:
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """In CI (the variable `CI` is set) a skip fails the session."""
    if os.environ.get("CI"):
        config.pluginmanager.register(NothingSkipped(), "nothing-skipped")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that is slow as a whole is not even imported where slow tests are left out: some import a framework."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return WHOLLY_SLOW.search(collection_path.read_text(encoding="utf-8")) is not None or None


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is long is slow, too; in CI leave out what needs a GPU."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
    if os.environ.get("CI"):
        needing = [item for item in items if item.get_closest_marker("gpu")]
        items[:] = [item for item in items if item not in needing]
        if needing:
            config.hook.pytest_deselected(items=needing)


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory, monkeypatch):
    """No test reads the user's own keys, config, caches or current folder's datasets.

    Graphs of extractors, each of which takes seconds to export, are those of all tests together.
    """
    for name in list(os.environ):
        if name.startswith("BYOD_") and not name.startswith("BYOD_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BYOD_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("BYOD_CACHE", str(home / "cache"))
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "extractors"
    shared.mkdir(exist_ok=True)
    (home / "cache").mkdir()
    (home / "cache" / "extractors").symlink_to(shared)
    return home


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    """The folder of real pictures; without it a test is skipped, in CI it fails."""
    folder = os.environ.get("BYOD_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    reason = "BYOD_TEST_DATA does not name the folder of real pictures"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)

"""Fuzz cases over all readers of what strangers wrote: does any end in an error that is not documented?

    python benchmarks/fuzz.py [--cases 300] [--reader 'model*'] [--seed 0] [--dear 0.05]

A reader that takes over a millisecond a case gets a part (`--dear`) of the cases. Prints a line a reader, then each
kind of finding with the numbers of its first cases; `--reader NAME --seed NUMBER --cases 1` runs one again.
Ends with 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "fixtures"))

import fuzz_readers
import fuzzing


def main() -> None:
    """Run the cases that are asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cases", type=int, default=300, help="cases a reader")
    asked.add_argument("--reader", default="*", help="names of readers, as a pattern")
    asked.add_argument("--seed", type=int, default=0, help="the number of the first case")
    asked.add_argument("--dear", type=float, default=0.05, help="the part of the cases that dear readers get")
    told = asked.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        seeds = fuzzing.seeds(Path(folder))
        print(f"{'reader':26} {'cases':>8} {'results':>8} {'refused':>8} {'findings':>8} {'seconds':>8}")
        for name in fnmatch.filter(fuzz_readers.READERS, told.reader):
            part = told.dear if fuzz_readers.READERS[name].dear else 1.0
            cases = range(told.seed, told.seed + max(1, round(part * told.cases)))
            one = fuzzing.run(name, cases, seeds)
            counts = [one.counts[kind] for kind in ("result", "documented", "finding")]
            print(
                f"{name:26} {len(cases):8} {counts[0]:8} {counts[1]:8} {counts[2]:8} {one.seconds:8.1f}",
                flush=True,
            )
            found.append(one)
    for one in found:
        for kind, numbers in sorted(one.kinds.items(), key=lambda item: -len(item[1])):
            print(f"{one.name}: {len(numbers)} x {kind} (cases {', '.join(map(str, numbers[:3]))})")
    sys.exit(1 if any(one.kinds for one in found) else 0)


if __name__ == "__main__":
    main()

"""How long `byod demo` takes once everything is installed: collecting, and the whole road.

    python benchmarks/demo.py

Goal: under three minutes on two cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Run the demo as make does: collecting first, then the rest."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "byod", "demo", "--into", str(Path(name) / "demo")]
        seconds = []
        for arguments in ([*command, "--only", "collect"], command):
            start = time.monotonic()
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds.append(time.monotonic() - start)
    print(
        f"collecting {seconds[0]:.1f} s, training and predicting {seconds[1]:.1f} s, whole {sum(seconds):.1f} s"
    )


if __name__ == "__main__":
    main()

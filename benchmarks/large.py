"""Measures `audit` and `plan` on a dump of a large cluster's pods: seconds, and the memory of all processes together.

    python benchmarks/large.py [--pods 150000]

Both forms that kubectl prints are read, by as many processes as there are processors. Needs Linux, whose /proc tells
the memory, and about 2.5 GB of disk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = 4096
EVERY = 0.05
"""Seconds between two looks at the memory."""


def main() -> None:
    """Generate the dumps, run both commands on both and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=150_000, help="how many (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as name:
        folder = Path(name)
        generate = [sys.executable, HERE / "generate_pods.py", folder, "--pods", str(options.pods)]
        subprocess.run(generate, check=True)
        print(f"{options.pods} pods\n  {'':<24} {'size':>9} {'seconds':>9} {'memory':>10}")
        for file in sorted(folder.iterdir()):
            for command in ("audit", "plan"):
                seconds, memory = measure([sys.executable, "-m", "migrator", command, "--quiet", file])
                size = file.stat().st_size / 1e6
                label = f"{command} {file.name}"
                print(f"  {label:<24} {size:6.0f} MB {seconds:9.1f} {memory / 2**20:6.0f} MiB", flush=True)


def measure(command: list[str | Path]) -> tuple[float, int]:
    """Run a command; give its seconds, and the most bytes that it and its children held at one time."""
    started, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, sum(map(read_memory, (process.pid, *list_children(process.pid)))))
            time.sleep(EVERY)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}")
    return time.perf_counter() - started, most


def read_memory(process: int) -> int:
    """Give the bytes that a process holds in memory; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def list_children(process: int) -> list[int]:
    """List the processes that a process has started."""
    try:
        return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))
    except (FileNotFoundError, ProcessLookupError):
        return []


if __name__ == "__main__":
    main()

"""Go programs built from sources in this repository, kept in a cache outside the tree."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class GoBuildError(Exception):
    """`go build` failed; the text is what it printed."""


def find_go() -> str | None:
    """Find the Go tool on PATH, or None."""
    return shutil.which("go")


def build_go_program(folder: Path, package: str, output: str, ldflags: Sequence[str] = ()) -> Path:
    """Build `package` inside the module at `folder` and return the path of the program.

    `package` is what `go build` takes: "." or an import path. `output` names the program in the cache.
    A program is built once per content of the folder, flags and Go version; builds wait for one another.
    Raises FileNotFoundError without Go and GoBuildError with what Go said.
    """
    go = find_go()
    if go is None:
        raise FileNotFoundError("go is not on PATH")
    program = _cache_folder() / f"{output}-{_hash_build(go, folder, package, ldflags)}" / output
    if program.exists():
        return program
    with _lock_builds():
        if not program.exists():
            _build(go, folder, package, program, ldflags)
    return program


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "migrator-oracles"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _hash_build(go: str, folder: Path, package: str, ldflags: Sequence[str]) -> str:
    version = subprocess.run([go, "env", "GOVERSION", "GOOS", "GOARCH"], check=True, capture_output=True, text=True)
    digest = hashlib.sha256(repr((version.stdout, package, tuple(ldflags))).encode())
    for source in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(repr((str(source.relative_to(folder)), source.read_bytes())).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _lock_builds() -> Iterator[None]:
    # One build at a time: a Go build takes all cores and up to gigabytes of memory by itself.
    with (_cache_folder() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(go: str, folder: Path, package: str, program: Path, ldflags: Sequence[str]) -> None:
    print(f"building {program.name} from {folder} ({package}) with {go} ...", flush=True)
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(".unfinished")
    command = [go, "build", "-trimpath", "-ldflags", " ".join(ldflags), "-o", str(unfinished), package]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise GoBuildError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    unfinished.replace(program)
    print(f"built {program}", flush=True)

"""The folder of `apply --patches`: written whole, and replaced by the next run as long as nobody has edited it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from migrator.rendering.copy import built_beside, refuse_place, settle_folder
from migrator.rendering.patches import FILE_NAME

_SEAL = b"# Written by `migrator apply --patches`, which replaces this folder as long as it is unedited: sha256:"


def write_patch_folder(
    files: Mapping[str, bytes], out: Path, sources: tuple[str, ...], before_commit: Callable[[], None] = lambda: None
) -> list[str]:
    """Write a kustomization's files as one folder, all or nothing; give their paths.

    `before_commit` is called when all that is left to do is to give the folder its name. Raises InputError where
    `out` lies inside a source, or holds anything but an earlier run's files as they were written.
    """
    settle_folder(out)
    hint = "give a new folder: this one was not written by `apply --patches`, or has been edited since"
    refuse_place(out, sources, hint, replaced=_is_sealed(out))
    sealed = {**files, FILE_NAME: _seal(files) + files[FILE_NAME]}
    with built_beside(out, before_commit) as staging:
        for path, content in sealed.items():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).write_bytes(content)
    return [str(out / path) for path in sorted(sealed)]


def _seal(files: Mapping[str, bytes]) -> bytes:
    digest = hashlib.sha256(repr(sorted(files.items())).encode())
    return _SEAL + digest.hexdigest().encode() + b"\n"


def _is_sealed(out: Path) -> bool:
    """Tell whether a folder holds what an earlier run wrote, and nothing else."""
    try:
        content = (out / FILE_NAME).read_bytes()
        if not content.startswith(_SEAL):
            return False
        seal, _, rest = content.partition(b"\n")
        files = {
            os.path.relpath(Path(folder, name), out): Path(folder, name).read_bytes()
            for folder, _, names in os.walk(out)
            for name in names
        }
    except OSError:
        return False
    return seal + b"\n" == _seal({**files, FILE_NAME: rest})

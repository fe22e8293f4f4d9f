"""Log files of programs that are started here: nobody else reads them, and they do not grow for ever.

A program writes to the file that it was given, so that is not replaced: what is in it is copied aside, and then it is
emptied. The program goes on at its beginning, because it was opened for appending. What is written between the copy and
that, some microseconds, is lost.
"""

import os
import shutil
from pathlib import Path

LARGEST_LOG = 20_000_000
"""Bytes; one that is larger is put aside."""

KEPT_LOGS = 4
"""How many of those are kept beside the newest, as `NAME.1` to `NAME.4`: the higher, the older."""

PRIVATE = 0o600


def open_log(log: Path) -> int:
    """A descriptor to append to a log, which is its owner's alone from now on, with all that was put aside of it."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    for file in (log, *_aside(log)):
        if file.exists():
            file.chmod(PRIVATE)
    return descriptor


def rotate_log(log: Path, largest: int = LARGEST_LOG) -> None:
    """Put a log aside if it has grown too large; the oldest of those before goes."""
    if not log.exists() or log.stat().st_size <= largest:
        return
    newest, *_ = aside = _aside(log)
    for older, newer in zip(reversed(aside), [*reversed(aside)][1:], strict=False):
        if newer.exists():
            newer.replace(older)
    with log.open("rb") as full, open(newest, "wb", opener=_privately) as copy:
        shutil.copyfileobj(full, copy)
    os.truncate(log, 0)


def make_private(folder: Path) -> None:
    """Take all rights to the files of a folder from everybody but their owner."""
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(PRIVATE)


def _aside(log: Path) -> list[Path]:
    return [log.with_name(f"{log.name}.{number}") for number in range(1, KEPT_LOGS + 1)]


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)

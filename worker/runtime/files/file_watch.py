"""Telling whether files are still the ones that were read.

They are looked at and not listened to: Kubernetes changes a mounted secret by turning a link, and what hears of changes
to one file would miss that.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

FileStamp = tuple[int, ...]
"""Tells one state of a file from another."""

Stamps = Mapping[Path, FileStamp | None]


def stamps_of(paths: Iterable[Path]) -> Stamps:
    """What changes with each file: which one it is, behind any link, its size and times; None while there is none."""
    return {path: _stamp_of(path) for path in paths}


def _stamp_of(path: Path) -> FileStamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class FileWatch:
    """Files as they were when they were looked at last; the first look is at the start."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._stamps = stamps_of(paths)

    def changed(self) -> bool:
        """Look again: whether any of them is another one now. It costs a system call for each."""
        before, self._stamps = self._stamps, stamps_of(self._paths)
        return self._stamps != before

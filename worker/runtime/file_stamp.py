"""Telling whether a file is still the one that was read."""

from pathlib import Path

Mark = tuple[int, ...]
"""Tells one state of a file from another."""


def mark_of(path: Path) -> Mark | None:
    """What changes with a file: which one it is, behind any link, its size and times; None while there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

"""Files of the state folder that are nobody else's business, and the lock that gives the folder to one process."""

import fcntl
import os
import secrets
from io import TextIOWrapper
from pathlib import Path
from threading import get_ident


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, in one step: a reader sees all of it or the one before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    _write_draft(draft, text)
    draft.replace(path)


def rewrite(path: Path, text: str) -> None:
    """Write a file anew in one step, where any link to it leads, with the mode and the owner that it had."""
    real, stat = path.resolve(), path.stat()
    draft = real.with_name(f".{real.name}.{os.getpid()}")
    _write_draft(draft, text)
    try:
        if (stat.st_uid, stat.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
            os.chown(draft, stat.st_uid, stat.st_gid)
        draft.chmod(stat.st_mode & 0o777)
        draft.replace(real)
    finally:
        draft.unlink(missing_ok=True)


def _write_draft(draft: Path, text: str) -> None:
    """On the disk before it takes the other's place: a power failure must leave one of the two."""
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def kept_secret(path: Path, length: int = 32) -> str:
    """The secret kept in a file; where there is none yet, one of `length` random bytes, in hexadecimal."""
    if not path.exists():
        write_private(path, secrets.token_hex(length))
    return path.read_text().strip()


def hold_lock(path: Path) -> TextIOWrapper | None:
    """Take a lock that is given back when it is closed or this process ends; None while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file

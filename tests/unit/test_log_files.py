"""Log files of what `up` runs: private, and kept short while they are written to."""

import os
import sys
from pathlib import Path

from worker.runtime.child import Child
from worker.runtime.files.log_files import KEPT_LOGS, LARGEST_LOG, make_private, open_log, rotate_log


def rights(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_a_log_is_private_also_where_it_was_not(tmp_path: Path) -> None:
    log, older = tmp_path / "log" / "worker.log", tmp_path / "log" / "worker.log.3"
    os.close(open_log(log))
    assert (rights(log), rights(log.parent)) == (0o600, 0o700)
    older.touch()
    for file in (log, older):
        file.chmod(0o644)
    os.close(open_log(log))
    assert (rights(log), rights(older)) == (0o600, 0o600)


def test_a_log_that_is_written_to_is_put_aside_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    writer = open_log(log)
    for number in range(KEPT_LOGS + 3):
        os.write(writer, b"%d" % number * 11)
        rotate_log(log, largest=10)
        assert log.stat().st_size == 0
    os.write(writer, b"last")
    rotate_log(log, largest=10)
    os.close(writer)
    assert log.read_text() == "last"
    aside = sorted(tmp_path.glob("worker.log.*"))
    assert [file.read_text()[0] for file in aside] == ["6", "5", "4", "3"]
    assert {rights(file) for file in aside} == {0o600}


def test_what_lies_in_a_folder_of_logs_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "node.log.0").touch(0o644)
    (tmp_path / "folder").mkdir(0o755)
    make_private(tmp_path)
    assert (rights(tmp_path / "node.log.0"), rights(tmp_path / "folder")) == (0o600, 0o755)


async def test_a_program_starts_on_a_log_that_is_short_and_private(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    os.close(open_log(log))
    os.truncate(log, LARGEST_LOG + 1)
    os.chmod(log, 0o666)
    child = Child("child", (sys.executable, "-c", "print('hello')"), os.environ, log)
    await child.start()
    assert await child.ended() == "exit code 0"
    assert [rights(file) for file in (log, tmp_path / "child.log.1")] == [0o600] * 2
    assert os.stat(log).st_size == len("hello\n")

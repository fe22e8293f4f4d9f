import json
from pathlib import Path

import pytest

from worker.broker.permissions import RIGHTS, STRATEGY_USER
from worker.console.definitions import definitions_text
from worker.runtime.errors import ConfigurationError


def test_a_user_without_a_password_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no password for the user dma-strategy \(.*No such file"):
        definitions_text(tmp_path)


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / STRATEGY_USER).write_text("\n")
    with pytest.raises(ConfigurationError, match=r"dma-strategy: .* is empty"):
        definitions_text(tmp_path)


def test_passwords_go_in_as_hashes_only_and_each_with_a_salt_of_its_own(tmp_path: Path) -> None:
    for user in RIGHTS:
        (tmp_path / user).write_text("the same for all\n")
    text = definitions_text(tmp_path)
    hashes = [row["password_hash"] for row in json.loads(text)["users"]]
    assert len(set(hashes)) == len(RIGHTS)
    assert "the same" not in text

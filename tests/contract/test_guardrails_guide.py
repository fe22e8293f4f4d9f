"""What the page about guardrails says is so: its registry is read, its table names each rule, its codes are there."""

import re
from pathlib import Path

import pytest

from schemas import ErrorCode
from schemas.guardrails import Guardrail, Guardrails
from worker.accounts import guardrails
from worker.accounts.registry import read_registry

PAGE = (Path(__file__).parents[2] / "deploy" / "docs" / "GUARDRAILS.md").read_text()


def test_its_registry_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, "key")
    (path := tmp_path / "accounts.toml").write_text(text)
    (careful,) = read_registry(path)
    assert (str(careful.guardrails.max_leverage), careful.guardrails.max_leverage_of) == ("3", {})
    assert careful.guardrails.only_lower_while_open


def test_it_explains_each_rule() -> None:
    explained = set(re.findall(r"(?m)^\| `(\w+)` \|", PAGE))
    assert explained == set(Guardrail) == set(Guardrails.model_fields)


def test_what_it_names_is_there() -> None:
    assert f"`{ErrorCode.GUARDRAIL}`" in PAGE
    for name in ("breach_of", "stricter", "version_of", "needs_position", "WantedChange"):
        assert name in PAGE
        assert hasattr(guardrails, name)

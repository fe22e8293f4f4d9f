"""What `up` says to try first can be copied from a terminal of 80 columns, and names what a shell has to know."""

import os
import sys
from pathlib import Path

import pytest

from worker.app.first_steps import first_steps
from worker.config.settings import Settings

URL = "http://127.0.0.1:8080"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def test_the_first_three_things_fit_80_columns() -> None:
    lines = first_steps(Settings(), URL, has_secret=True).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if not line.startswith("    ")] == [
        "TOKEN=$(perps-dma",
        "curl",
        "perps-dma",
        "perps-dma",
    ]


def test_a_program_that_is_not_on_the_path_is_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert f"export PATH={Path(sys.executable).parent}:$PATH" in first_steps(Settings(), URL, has_secret=True)


def test_another_state_folder_is_named(tmp_path: Path) -> None:
    assert f"export PERPS_DMA_STATE={tmp_path}" in first_steps(Settings(state=tmp_path), URL, has_secret=True)
    assert "PERPS_DMA_STATE" not in first_steps(Settings(), URL, has_secret=True)


def test_a_certificate_of_ours_is_named_for_curl(tmp_path: Path) -> None:
    settings = Settings(tls_cert=tmp_path / "cert.pem")
    assert f"--cacert {tmp_path / 'cert.pem'}" in first_steps(settings, URL, has_secret=True)


def test_where_others_make_the_tokens_no_request_is_suggested() -> None:
    assert "curl" not in first_steps(Settings(), URL, has_secret=False)
    assert "perps-dma positions" in first_steps(Settings(), URL, has_secret=False)

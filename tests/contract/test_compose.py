"""deploy/compose.yaml, as far as it can be looked at without a Docker engine."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]

ENGINE = """#!/bin/sh
# Stands in for a Docker engine that reaches a registry: it knows a digest of every image but one.
case "$*" in
  "pull --quiet gone"*) echo "no such image" >&2; exit 1 ;;
  "pull --quiet "*) ;;
  "image inspect "*) for image; do :; done; printf '%s@sha256:%064d\\n' "${image%:*}" 7 ;;
  "compose version") ;;
  compose*) env | grep '_IMAGE=' ;;
esac
"""


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_its_bounds(service: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[service]["mem_limit"])
    assert 0 < SERVICES[service]["pids_limit"] <= 1024


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of the folder, and an engine on the path of what is run there."""
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets", "images.env"))
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    return tmp_path / "deploy"


def run(deploy: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{deploy.parent / 'bin'}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
    environment = {**kept, "PATH": path, **variables}
    return subprocess.run(["sh", *argv], cwd=deploy, env=environment, capture_output=True, text=True, check=False)


def test_foreign_images_are_pinned_by_what_their_tags_lead_to(deploy: Path) -> None:
    assert run(deploy, "pin-images.sh").returncode == 0
    pinned = dict(line.split("=", 1) for line in (deploy / "images.env").read_text().splitlines() if "=" in line)
    foreign = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", (deploy / "compose.yaml").read_text()))
    del foreign["PERPS_DMA_IMAGE"]
    assert set(foreign) == {"PYTHON_IMAGE", "RABBITMQ_IMAGE", "POSTGRES_IMAGE", "PROMETHEUS_IMAGE", "GRAFANA_IMAGE"}
    assert pinned == {name: f"{image}@sha256:{7:064}" for name, image in foreign.items()}
    [base] = re.findall(r"^ARG BASE=(\S+)", (deploy / "Dockerfile").read_text(), re.MULTILINE)
    assert foreign["PYTHON_IMAGE"] == base


def test_the_stack_takes_what_is_pinned_unless_its_caller_names_another(deploy: Path) -> None:
    assert "_IMAGE" not in run(deploy, "stack.sh", "config").stdout
    run(deploy, "pin-images.sh")
    taken = run(deploy, "stack.sh", "config", RABBITMQ_IMAGE="rabbitmq:mine").stdout.splitlines()
    assert "RABBITMQ_IMAGE=rabbitmq:mine" in taken
    assert f"POSTGRES_IMAGE=postgres:17.5@sha256:{7:064}" in taken


def test_an_image_that_is_not_to_be_had_leaves_what_was_pinned(deploy: Path) -> None:
    run(deploy, "pin-images.sh")
    before = (deploy / "images.env").read_text()
    compose = (deploy / "compose.yaml").read_text().replace("postgres:17.5", "gone:1")
    (deploy / "compose.yaml").write_text(compose)
    assert run(deploy, "pin-images.sh").returncode != 0
    assert (deploy / "images.env").read_text() == before

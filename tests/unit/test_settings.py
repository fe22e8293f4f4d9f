from pathlib import Path

import pytest

from worker.config.settings import SECRETS_VARIABLE, Settings
from worker.ledger.postgres.url import place


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AMQP_URL", "LEDGER_URL", "JWT_SECRET"):
        monkeypatch.delenv(f"PERPS_DMA_{name}", raising=False)
    monkeypatch.setenv(SECRETS_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_setting_is_read_from_a_file_of_its_name(secrets: Path) -> None:
    (secrets / "PERPS_DMA_AMQP_URL").write_text("amqp://dma-shim:word@rabbitmq/perps-dma\n")
    (secrets / "PERPS_DMA_LEDGER_URL").write_text("postgresql://dma:word@postgres/dma\n")
    settings = Settings()
    assert str(settings.amqp_url) == "amqp://dma-shim:word@rabbitmq/perps-dma"
    assert settings.ledger == "postgresql://dma:word@postgres/dma"


def test_files_behind_links_are_read_as_kubernetes_mounts_them(secrets: Path) -> None:
    (secrets / "..2026").mkdir()
    (secrets / "..2026" / "PERPS_DMA_JWT_SECRET").write_text("x" * 32)
    (secrets / "..data").symlink_to("..2026")
    (secrets / "PERPS_DMA_JWT_SECRET").symlink_to("..data/PERPS_DMA_JWT_SECRET")
    secret = Settings().jwt_secret
    assert secret is not None
    assert secret.get_secret_value() == "x" * 32


def test_the_environment_goes_before_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "PERPS_DMA_PORT").write_text("1")
    monkeypatch.setenv("PERPS_DMA_PORT", "2")
    assert Settings().port == 2


def test_without_the_folder_there_are_no_files(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_VARIABLE, str(secrets / "none"))
    assert Settings().amqp_url is None


@pytest.mark.parametrize("hosts", ["db-1:5432,db-2:5433", "db-1,[::1]:6432", "db"])
@pytest.mark.parametrize("query", ["", "?target_session_attrs=read-write", "?sslmode=require&application_name=x"])
def test_a_ledger_may_be_on_several_hosts_and_is_shown_without_its_password(
    secrets: Path, hosts: str, query: str
) -> None:
    (secrets / "PERPS_DMA_LEDGER_URL").write_text(f"postgresql://dma:word@{hosts}/ledger{query}")
    url = Settings().ledger
    assert place(url).endswith("/ledger")
    assert place(url).count(",") == hosts.count(",")
    assert "word" not in place(url)
    assert "word" not in repr(Settings())

"""A wrong setting is named with what it should be, and never with what it is: it may hold a password."""

import secrets

import pytest
import typer

from worker.console.kit.terminal import read_settings

PASSWORD = secrets.token_urlsafe(24)

WRONG = {
    "another protocol": ("AMQP_URL", f"http://dma:{PASSWORD}@127.0.0.1/", "URL scheme should be 'amqp' or 'amqps'"),
    "another database": ("LEDGER_URL", f"mysql://dma:{PASSWORD}@127.0.0.1/ledger", "must begin with sqlite:///"),
    "an unescaped password": ("LEDGER_URL", f"postgresql://dma:{PASSWORD}#1@127.0.0.1/ledger", "# as %23"),
    "no such attribute": (
        "LEDGER_URL",
        f"postgresql://dma:{PASSWORD}@a,b/l?target_session_attrs=best",
        "is one of any",
    ),
    "a port of one host": ("LEDGER_URL", f"postgresql://dma:{PASSWORD}@a:1,b:{PASSWORD}/ledger", "is no URL"),
    "a port that is none": ("LEDGER_URL", f"postgresql://dma:{PASSWORD}@127.0.0.1:port/ledger", "is no URL"),
}


@pytest.mark.parametrize("what", WRONG)
def test_its_value_is_not_repeated(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, value, remedy = WRONG[what]
    monkeypatch.setenv(f"PERPS_DMA_{name}", value)
    with pytest.raises(typer.Exit):
        read_settings()
    said = capsys.readouterr().err
    assert f"PERPS_DMA_{name}" in said
    assert remedy in said
    assert PASSWORD[:8] not in said

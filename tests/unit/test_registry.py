"""The account registry: what it says is checked as a whole, and every problem is named without its secret."""

from decimal import Decimal
from pathlib import Path

import pytest

from worker.accounts.account import RegistryError
from worker.accounts.networks import LACKS, networks_of
from worker.accounts.registry import read_registry, sources_of
from worker.accounts.sealing import KEY_BYTES, Keyring, add_key, read_keys

SECRET = "hunter2hunter2"


@pytest.fixture
def keys_file(tmp_path: Path) -> str:
    add_key(tmp_path / "keys")
    return str(tmp_path / "keys")


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "the key")


def registry(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    return path


def one(tmp_path: Path, *lines: str, account_id: str = "main", exchange: str = "binance") -> Path:
    """A registry of one account, with these lines beside what is always there."""
    table = [f"[accounts.{account_id}]", f'exchange = "{exchange}"', 'api_key = "env:THE_KEY"', *lines]
    return registry(tmp_path, "\n".join(table))


class TestCredentials:
    def test_a_sealed_one_is_opened(self, tmp_path: Path, keys_file: str) -> None:
        sealed = read_keys(keys_file).seal(SECRET, "main", "secret")
        (account,) = read_registry(one(tmp_path, f'secret = "{sealed}"'), keys_file)
        assert (account.reveal("api_key"), account.reveal("secret")) == ("the key", SECRET)

    @pytest.mark.parametrize(("account_id", "credential"), [("other", "secret"), ("main", "passphrase")])
    def test_one_that_was_moved_is_named_and_not_told(
        self, tmp_path: Path, keys_file: str, account_id: str, credential: str
    ) -> None:
        sealed = read_keys(keys_file).seal(SECRET, account_id, credential)
        with pytest.raises(RegistryError, match=r"account 'main': secret: .*does not open under key v1") as raised:
            read_registry(one(tmp_path, f'secret = "{sealed}"'), keys_file)
        assert SECRET not in str(raised.value)
        assert sealed not in str(raised.value)

    def test_one_sealed_under_an_unknown_key_is_named_with_the_version(self, tmp_path: Path, keys_file: str) -> None:
        sealed = Keyring({3: b"3" * KEY_BYTES}).seal(SECRET, "main", "secret")
        with pytest.raises(RegistryError, match=r"account 'main': secret: .*sealed under key v3.*holds only v1"):
            read_registry(one(tmp_path, f'secret = "{sealed}"'), keys_file)

    def test_without_keys_it_is_said_where_they_come_from(self, tmp_path: Path, keys_file: str) -> None:
        sealed = read_keys(keys_file).seal(SECRET, "main", "secret")
        with pytest.raises(RegistryError, match=r"account 'main': secret: .*PERPS_DMA_SEALING_KEYS"):
            read_registry(one(tmp_path, f'secret = "{sealed}"'))

    @pytest.mark.parametrize("written", [SECRET, f"plain:{SECRET}", f"ENV:{SECRET}", f"sealed{SECRET}", ""])
    def test_the_secret_itself_is_refused_and_not_repeated(self, tmp_path: Path, written: str) -> None:
        with pytest.raises(RegistryError, match=r"account 'main': secret: .*never the secret itself") as raised:
            read_registry(one(tmp_path, f'secret = "{written}"'))
        assert SECRET not in str(raised.value)

    @pytest.mark.parametrize(
        ("content", "problem"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "holds no text")]
    )
    def test_a_secret_file_without_a_secret_is_named(self, tmp_path: Path, content: bytes, problem: str) -> None:
        (tmp_path / "mounted").write_bytes(content)
        with pytest.raises(RegistryError, match=rf"account 'main': secret: .*mounted {problem}"):
            read_registry(one(tmp_path, f'secret = "file:{tmp_path}/mounted"'))


class TestNetworks:
    @pytest.mark.parametrize(("exchange", "network"), sorted(LACKS))
    def test_each_that_a_venue_offers_can_be_registered(self, tmp_path: Path, exchange: str, network: str) -> None:
        more = ['secret = "env:THE_KEY"', 'passphrase = "env:THE_KEY"', 'account_address = "0x01"']
        (account,) = read_registry(one(tmp_path, f'network = "{network}"', *more, exchange=exchange))
        assert (account.exchange, account.network, account.base_url) == (exchange, network, None)

    @pytest.mark.parametrize(
        ("exchange", "network", "problem"),
        [
            ("binance", "testnet", r"binance offers no testnet \(its futures left .*\), only mainnet and demo"),
            ("okx", "testnet", r"okx offers no testnet \(OKX calls .*\), only mainnet and demo"),
            ("gate", "demo", "gate offers no demo, only mainnet and testnet"),
            ("bybit", "paper", "must be 'mainnet', 'testnet' or 'demo'"),
        ],
    )
    def test_one_that_it_does_not_is_refused_with_those_it_does(
        self, tmp_path: Path, exchange: str, network: str, problem: str
    ) -> None:
        more = ['secret = "env:THE_KEY"', 'passphrase = "env:THE_KEY"']
        with pytest.raises(RegistryError, match=problem):
            read_registry(one(tmp_path, f'network = "{network}"', *more, exchange=exchange))

    def test_portfolio_margin_is_refused_where_there_is_none(self, tmp_path: Path) -> None:
        lines = ['network = "demo"', "portfolio_margin = true", 'secret = "env:THE_KEY"']
        with pytest.raises(RegistryError, match="Binance has no Portfolio Margin on its demo network, only on mainnet"):
            read_registry(one(tmp_path, *lines))

    def test_without_a_word_it_is_the_real_one(self, tmp_path: Path) -> None:
        (account,) = read_registry(one(tmp_path, 'secret = "env:THE_KEY"'))
        assert account.network == "mainnet"
        assert networks_of("binance") == ("mainnet", "demo")


class TestTheFile:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "has no account; each is a table"),
            ("[accounts]", "has no account"),
            ("accounts = 3", "has no account"),
            ("[acounts.main]", r"acounts means nothing here; accounts are \[accounts.<id>\]"),
            ("[accounts]\nmain = 3", r"account 'main': must be a table"),
            ('[accounts.main]\nid = "other"', "its id is the name of its table"),
            ("[accounts.main", "can't be read"),
            ('[accounts.main]\nexchange = "binance"\nsecrt = "x"', "secrt: is not a known field"),
            ('[accounts.main]\nbase_url = "http://127.0.0.1"', "base_url: must be None"),
        ],
    )
    def test_what_is_no_registry_is_told_as_such(self, tmp_path: Path, text: str, problem: str) -> None:
        with pytest.raises(RegistryError, match=problem):
            read_registry(registry(tmp_path, text))

    def test_it_is_made_of_itself_its_keys_and_its_mounted_secrets(self, tmp_path: Path, keys_file: str) -> None:
        path = one(tmp_path, 'secret = "file:/run/secrets/one"')
        expected = {path, Path(keys_file), Path("/run/secrets/one")}
        assert sources_of(path, keys_file) == expected
        assert sources_of(path, "env:KEYS") == expected - {Path(keys_file)}

    def test_one_that_can_not_be_read_is_still_made_of_itself(self, tmp_path: Path) -> None:
        path = registry(tmp_path, "[[[")
        assert sources_of(path) == {path}


GUARDED = """
[guardrails]
max_leverage = 20
max_leverage_of = {"BTC/USDT:USDT" = 50}
operations = ["set_leverage", "set_margin_mode"]

[accounts.main]
exchange = "binance"
api_key = "env:THE_KEY"
secret = "env:THE_KEY"

[accounts.careful]
exchange = "binance"
api_key = "env:THE_KEY"
secret = "env:THE_KEY"

[accounts.careful.guardrails]
max_leverage = 2.5
only_lower_while_open = true
"""


class TestGuardrails:
    def test_an_account_has_the_defaults_unless_it_says_otherwise(self, tmp_path: Path) -> None:
        main, careful = (account.guardrails for account in read_registry(registry(tmp_path, GUARDED)))
        assert (main.max_leverage, main.max_leverage_of) == (Decimal(20), {"BTC/USDT:USDT": Decimal(50)})
        assert (careful.max_leverage, careful.max_leverage_of) == (Decimal("2.5"), {})
        assert careful.only_lower_while_open
        assert main.operations == careful.operations == ("set_leverage", "set_margin_mode")

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("max_leverage = 0", "guardrails.max_leverage: .*greater than 0"),
            ('max_leverage = "ten"', "guardrails.max_leverage: must be a number"),
            ("max_leverage_of = {BTC = -1}", "guardrails.max_leverage_of.BTC: .*greater than 0"),
            ('margin_modes = ["crossed"]', "guardrails.margin_modes.0: "),
            ('operations = ["set_levrage"]', "guardrails: operations: there is no command set_levrage; there are "),
            ('operations = ["get_positions"]', "there is no command get_positions"),
            ("max_levrage = 5", "guardrails.max_levrage: is not a known field"),
        ],
    )
    @pytest.mark.parametrize("place", ["[guardrails]", "[accounts.main.guardrails]"])
    def test_what_is_wrong_is_named_with_its_place(self, tmp_path: Path, place: str, line: str, told: str) -> None:
        text = one(tmp_path, 'secret = "env:THE_KEY"').read_text()
        with pytest.raises(RegistryError, match=told) as raised:
            read_registry(registry(tmp_path, f"{text}\n{place}\n{line}\n"))
        assert ("account 'main'" in str(raised.value)) == ("main" in place)


class TestScheduledSweeps:
    def test_a_schedule_is_read(self, tmp_path: Path) -> None:
        lines = ('secret = "env:THE_KEY"', "portfolio_margin = true", 'auto_collect = "Daily 00:05"')
        (account,) = read_registry(one(tmp_path, *lines))
        assert str(account.auto_collect) == "daily 00:05"

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            (("portfolio_margin = true", 'auto_collect = "at noon"'), "auto_collect: must be `hourly :MM`, "),
            (("portfolio_margin = true", "auto_collect = 5"), "auto_collect"),
            (('auto_collect = "daily 00:05"',), "auto_collect is for Portfolio Margin accounts only"),
            (
                ("portfolio_margin = true", 'auto_collect = "daily 00:05"', "guardrails = {operations = []}"),
                "auto_collect: its guardrails forbid it, pm_auto_collect is not allowed",
            ),
        ],
    )
    def test_one_that_can_not_be_is_named(self, tmp_path: Path, lines: tuple[str, ...], told: str) -> None:
        with pytest.raises(RegistryError, match=f"account 'main'.*{told}"):
            read_registry(one(tmp_path, 'secret = "env:THE_KEY"', *lines))

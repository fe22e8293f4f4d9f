"""What each venue's answers to a preflight mean: what the stand-in venues can't be brought to say."""

from collections.abc import Mapping
from typing import Any

import ccxt
import pytest
from pydantic import SecretStr

from schemas.base import Milliseconds
from schemas.control import Network
from schemas.replies import AccountType
from schemas.requests import MarketType, PositionMode
from worker.accounts.account import Account
from worker.venues.binance import preflight as binance
from worker.venues.bybit import preflight as bybit
from worker.venues.bybit.terms.position_mode import read_modes
from worker.venues.client.transport import Skew
from worker.venues.gate import preflight as gate
from worker.venues.okx import preflight as okx
from worker.venues.port.check_results import Check, CheckResult, Verdict
from worker.venues.port.errors import AccessDenied, Ambiguous, PreconditionFailed, VenueError

STANDARD, PORTFOLIO = AccountType.STANDARD, AccountType.PORTFOLIO_MARGIN
DENIED = AccessDenied("Invalid API-key, IP, or permissions for action", venue_code="-2015")
STATE = binance.AccountSetup(barred=(), multi_assets=False, mode=PositionMode.ONE_WAY)
FULL_KEY = binance.BinanceApiKey(frozenset(AccountType), withdrawals=False, bound=True)


class Told:
    """A transport that answers what it was given, by the name of the call."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers

    def now(self) -> Milliseconds:
        return 1_706_745_600_000

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        answer = self.answers[name]
        if isinstance(answer, VenueError):
            raise answer
        return answer

    async def skew(self, name: str) -> Skew:
        return Skew(0, 1)


def account(exchange: Any) -> Account:
    keys = {name: SecretStr(name * 8) for name in ("api_key", "secret", "passphrase")}
    return Account(id="one", exchange=exchange, **keys)


def by_check(found: tuple[CheckResult, ...]) -> dict[Check, tuple[Verdict, str]]:
    return {finding.check: (finding.verdict, finding.says) for finding in found}


@pytest.mark.parametrize(("exchange", "preflight"), [(ccxt.binance(), binance), (ccxt.bybit(), bybit)], ids=str)
def test_a_clock_may_be_behind_by_the_window_that_ccxt_sends(exchange: Any, preflight: Any) -> None:
    assert preflight.WINDOW.behind == exchange.options["recvWindow"]


class TestBinance:
    def test_without_the_wallets_word_the_account_is_checked_all_the_same(self) -> None:
        away = Ambiguous("no answer from binance within 5000 ms")
        found = by_check(binance.judged(binance.Answers(STANDARD, away, STATE), None))
        assert found[Check.KEY][0] is found[Check.ACCOUNT][0] is Verdict.OK
        assert found[Check.PERMISSIONS] == (Verdict.NOT_CHECKED, f"it is not told here: {away.message}")

    def test_a_type_that_is_refused_with_a_code_of_its_own_is_recognised(self) -> None:
        refusal = PreconditionFailed("User is not Unified Account user", venue_code="-21001")
        found = by_check(binance.judged(binance.Answers(PORTFOLIO, FULL_KEY, refusal, STATE), None))
        assert found[Check.ACCOUNT] == (
            Verdict.PROBLEM,
            "it is a standard account, but registered as portfolio margin",
        )
        assert found[Check.POSITION_MODE] == (Verdict.OK, "one_way")

    def test_a_refusal_that_no_right_explains_is_told_in_binances_words(self) -> None:
        found = by_check(binance.judged(binance.Answers(STANDARD, FULL_KEY, DENIED, DENIED), None))
        assert found[Check.ACCOUNT] == (Verdict.PROBLEM, DENIED.message)
        assert found[Check.POSITION_MODE] == (Verdict.NOT_CHECKED, "see account")

    async def test_a_family_in_which_it_may_not_trade_is_named(self) -> None:
        config = {"canTrade": True, "multiAssetsMargin": False, "dualSidePosition": False}
        rights = dict.fromkeys(
            ("enableFutures", "enablePortfolioMarginTrading", "enableWithdrawals", "ipRestrict"), True
        )
        answers = {
            binance.RESTRICTIONS: rights,
            binance.STANDARD_CONFIG: config,
            binance.INVERSE_ACCOUNT: {"canTrade": False},
        }
        found = by_check(await binance.preflight(Told(answers), account("binance")))
        assert found[Check.ACCOUNT] == (Verdict.PROBLEM, "Binance does not let the account trade (COIN-M)")

    async def test_a_family_that_is_refused_is_named_and_the_other_is_checked(self) -> None:
        config = {"canTrade": True, "multiAssetsMargin": False, "dualSidePosition": True}
        answers = {
            binance.RESTRICTIONS: DENIED,
            binance.STANDARD_CONFIG: config,
            binance.INVERSE_ACCOUNT: AccessDenied("Binance does not offer this in the owner's country"),
        }
        found = by_check(await binance.preflight(Told(answers), account("binance")))
        assert found[Check.ACCOUNT] == (
            Verdict.PROBLEM,
            "standard account; COIN-M can't be read: Binance does not offer this in the owner's country",
        )
        assert found[Check.POSITION_MODE] == (Verdict.OK, "hedge")

    @pytest.mark.parametrize(
        ("rights", "verdict", "says"),
        [
            ({}, Verdict.NOT_CHECKED, "whether the key has the right 'Enable Futures' is not told"),
            ({"enableFutures": True}, Verdict.NOT_CHECKED, "whether the key may withdraw is not told"),
            (
                {"enableFutures": True, "enableWithdrawals": False, "permitsUniversalTransfer": True},
                Verdict.WARNING,
                "the key can take money away (Permits Universal Transfer), which nothing here needs",
            ),
            (
                {"enableFutures": True, "enableWithdrawals": False},
                Verdict.OK,
                "Enable Futures, whether from any address is not told; no withdrawals",
            ),
        ],
    )
    async def test_what_is_not_told_of_a_key_is_not_called_ok(
        self, rights: dict[str, bool], verdict: Verdict, says: str
    ) -> None:
        key = await binance.read_key(Told({binance.RESTRICTIONS: rights}))
        found = binance.judged(binance.Answers(STANDARD, key, STATE), None)
        first = next(finding for finding in found if finding.check is Check.PERMISSIONS)
        assert (first.verdict, first.says) == (verdict, says)

    def test_what_portfolio_margin_does_not_tell_of_coin_margined_is_not_claimed(self) -> None:
        found = by_check(binance.judged(binance.Answers(PORTFOLIO, FULL_KEY, STATE), None))
        assert found[Check.ACCOUNT] == (
            Verdict.OK,
            "portfolio margin account; whether it may trade COIN-M is not told",
        )

    def test_a_key_older_than_portfolio_margin_lacks_the_right_for_it(self) -> None:
        key = binance.BinanceApiKey(frozenset(), withdrawals=False, bound=True)
        found = binance.judged(binance.Answers(PORTFOLIO, key, DENIED, DENIED), None)
        assert by_check(found)[Check.ACCOUNT] == (Verdict.NOT_CHECKED, "see permissions")
        [permission] = [finding for finding in found if finding.check is Check.PERMISSIONS]
        assert "older than the Portfolio Margin account" in (permission.remedy or "")


GROUPS: dict[str, Any] = {"ContractTrade": ["Order", "Position"], "Derivatives": [], "Wallet": ["AccountTransfer"]}
KEY = {
    "readOnly": 0,
    "permissions": GROUPS,
    "ips": ["*"],
    "deadlineDay": 83,
    "expiredAt": "2024-04-24T00:00:00Z",
}


class TestBybit:
    @pytest.mark.parametrize(
        ("change", "until"),
        [
            ({}, 1_713_916_800_000),
            ({"deadlineDay": -1}, None),
            ({"deadlineDay": None}, None),
            ({"expiredAt": ""}, 1_706_745_600_000 + 83 * 86_400_000),
            ({"expiredAt": "soon"}, 1_706_745_600_000 + 83 * 86_400_000),
        ],
    )
    async def test_an_expiry_counts_where_days_are_left(self, change: dict[str, Any], until: int | None) -> None:
        key = await bybit.read_key(Told({bybit.QUERY_KEY: {"retCode": 0, "result": KEY | change}}))
        assert key.until == until
        assert (key.changes_positions, key.takes_away, key.bound) == (True, (), False)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"permissions": None}, "change positions"),
            ({"permissions": {"ContractTrade": ["Position"]}}, "withdraw"),
            ({"permissions": {"Wallet": []}}, "change positions"),
            ({"permissions": {"Wallet": [], "Derivatives": []}}, "change positions"),
            ({"permissions": GROUPS | {"Wallet": "Withdraw"}}, "withdraw"),
            ({"readOnly": None}, "more than read"),
            ({"readOnly": "no"}, "more than read"),
        ],
        ids=str,
    )
    async def test_what_is_not_told_of_a_key_is_not_told_and_never_ok(self, change: dict[str, Any], says: str) -> None:
        found = await self.permissions(change)
        assert [(row.verdict, row.remedy) for row in found] == [(Verdict.NOT_TOLD, None)]
        assert says in found[0].says
        assert "does not tell" in found[0].says

    @pytest.mark.parametrize(
        ("group", "right"),
        [("Wallet", "Withdraw"), ("FiatP2P", "FiatP2POrder"), ("FiatBybitPay", "FaitPayOrder")],
    )
    async def test_every_right_that_takes_money_away_is_named(self, group: str, right: str) -> None:
        (found,) = await self.permissions({"permissions": GROUPS | {group: [right]}})
        assert found.verdict is Verdict.WARNING
        assert right in found.says

    @pytest.mark.parametrize("ips", [None, [], "127.0.0.1"])
    async def test_addresses_that_are_not_told_are_not_told(self, ips: Any) -> None:
        (found,) = await self.permissions({"ips": ips})
        assert "from which addresses is not told" in found.says

    @pytest.mark.parametrize(
        ("ips", "verdict"), [(["10.0.0.1"], Verdict.OK), (["*"], Verdict.NOT_TOLD), (None, Verdict.NOT_TOLD)]
    )
    async def test_that_a_key_does_not_expire_is_known_of_one_that_is_bound_only(
        self, ips: Any, verdict: Verdict
    ) -> None:
        found = await self.findings({"deadlineDay": None, "ips": ips})
        assert [row.verdict for row in found if row.check is Check.KEY] == [verdict]

    async def permissions(self, change: dict[str, Any]) -> list[CheckResult]:
        return [row for row in await self.findings(change) if row.check is Check.PERMISSIONS]

    async def findings(self, change: dict[str, Any]) -> tuple[CheckResult, ...]:
        told = {
            bybit.QUERY_KEY: {"retCode": 0, "result": KEY | change},
            "privateGetV5AccountInfo": {"result": {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5}},
            "privateGetV5PositionList": {"retCode": 0, "result": {"list": []}},
        }
        return await bybit.preflight(Told(told), account("bybit"))

    async def test_a_position_mode_is_that_of_perpetuals(self) -> None:
        rows = [{"symbol": "BTCUSDT", "positionIdx": 1}, {"symbol": "BTCUSDT-26DEC25", "positionIdx": 0}]
        told = Told({"privateGetV5PositionList": {"retCode": 0, "result": {"list": rows}}})
        assert await read_modes(told) == {"BTCUSDT": "hedge"}
        rows[0]["positionIdx"] = 3
        with pytest.raises(Ambiguous):
            await read_modes(told)


CONFIG = {"acctLv": "2", "posMode": "net_mode", "perm": "read_only,trade", "ip": "127.0.0.1"}


class TestOkx:
    async def found(self, network: Network = "mainnet", **change: Any) -> dict[Check, tuple[Verdict, str]]:
        answer = {"code": "0", "data": [CONFIG | change]}
        owner = account("okx").model_copy(update={"network": network})
        return by_check(await okx.preflight(Told({okx.CONFIG: answer}), owner))

    async def test_an_account_mode_of_the_future_is_a_problem_and_the_rest_is_checked(self) -> None:
        found = await self.found(acctLv="5")
        assert "acctLv 5" in found[Check.ACCOUNT][1]
        assert [check for check, (verdict, _) in found.items() if verdict is Verdict.PROBLEM] == [Check.ACCOUNT]

    @pytest.mark.parametrize(
        ("change", "check"),
        [
            ({"posMode": "both"}, Check.POSITION_MODE),
            ({"posMode": ""}, Check.POSITION_MODE),
            ({"perm": ""}, Check.PERMISSIONS),
            ({"perm": None}, Check.PERMISSIONS),
            ({"acctLv": ""}, Check.ACCOUNT),
        ],
        ids=str,
    )
    async def test_what_is_not_told_is_said_to_be_so_and_the_rest_is_checked(
        self, change: dict[str, Any], check: Check
    ) -> None:
        found = await self.found(**change)
        assert {name for name, (verdict, _) in found.items() if verdict is not Verdict.OK} == {check}
        assert found[check][0] is Verdict.NOT_CHECKED
        assert next(iter(change)) in found[check][1]

    async def test_addresses_that_are_not_told_are_not_said_to_be_listed(self) -> None:
        told = (await self.found(ip=None))[Check.PERMISSIONS]
        assert told == (Verdict.OK, "reads and trades, from which addresses OKX does not tell; no withdrawals")

    async def test_a_right_that_is_not_documented_is_no_ok(self) -> None:
        verdict, says = (await self.found(perm="read_only,trade,lend"))[Check.PERMISSIONS]
        assert (verdict, says) == (Verdict.WARNING, "the key has rights that are not known here (lend)")

    async def test_a_key_that_only_reads_needs_no_address(self) -> None:
        assert (await self.found(ip="", perm="read_only"))[Check.PERMISSIONS][1] == "the key may not trade"

    async def test_a_key_for_demo_trading_is_not_deleted_for_want_of_use(self) -> None:
        assert "14 days" in (await self.found(ip=""))[Check.PERMISSIONS][1]
        told = (await self.found("demo", ip=""))[Check.PERMISSIONS]
        assert told == (Verdict.OK, "reads and trades, from any address; no withdrawals")

    async def test_an_owner_who_is_not_verified_is_warned_of(self) -> None:
        verdict, says = (await self.found(kycLv="0"))[Check.ACCOUNT]
        assert verdict is Verdict.WARNING
        assert "kycLv 0" in says


RIGHTS = [{"name": name, "read_only": False} for name in gate.NEEDED]


class TestGate:
    @pytest.mark.parametrize(
        ("body", "recognised"),
        [
            ([{"key": "api_*****", "state": 1, "perms": RIGHTS}, {"key": "b*****", "state": 1, "perms": []}], True),
            ([{"key": "***", "state": 1, "perms": RIGHTS}], True),
            ({"key": {"mode": 1}, "state": 1, "perms": RIGHTS}, True),
            ([{"key": "b*****", "state": 1, "perms": RIGHTS}], False),
            ([{"key": "api_*****", "state": 1, "perms": RIGHTS}, {"key": "api*****", "state": 2, "perms": []}], False),
            ([], False),
        ],
        ids=str,
    )
    async def test_our_key_is_picked_out_only_where_no_other_can_be_meant(self, body: Any, recognised: bool) -> None:
        key = await gate.read_key(Told({gate.KEYS: body}), "api_key")
        assert key == (gate.GateApiKey(True, dict.fromkeys(gate.NEEDED, False)) if recognised else None)

    async def test_a_key_that_cannot_be_picked_out_is_not_guessed_at(self) -> None:
        wallet = {"in_dual_mode": False, "margin_mode": 0}
        answers = {gate.DETAIL: {"user_id": 1}, gate.KEYS: [], **dict.fromkeys(gate.ACCOUNTS.values(), wallet)}
        found = by_check(await gate.preflight(Told(answers), account("gate")))
        assert found[Check.PERMISSIONS][0] is Verdict.NOT_CHECKED
        assert {verdict for verdict, _ in found.values()} == {Verdict.OK, Verdict.NOT_CHECKED}

    def answers(self, **changed: Any) -> dict[str, Any]:
        wallet = {"in_dual_mode": False, "margin_mode": 0, "position_mode": "single"}
        key = {"key": "api_*****", "state": 1, "perms": RIGHTS}
        told = {gate.DETAIL: {"user_id": 1, "ip_whitelist": ["203.0.113.7"]}, gate.KEYS: [key]}
        return {**told, **dict.fromkeys(gate.ACCOUNTS.values(), wallet), **changed}

    async def test_whether_a_key_may_withdraw_is_not_told(self) -> None:
        findings = await gate.preflight(Told(self.answers()), account("gate"))
        told = [(row.verdict, row.says) for row in findings if row.check is Check.PERMISSIONS]
        assert told == [
            (Verdict.OK, "reads and changes perpetuals and deliveries"),
            (Verdict.NOT_TOLD, "whether the key may withdraw: Gate's list of rights does not say"),
        ]

    @pytest.mark.parametrize(("right", "allows"), [("wallet", "transfer money between"), ("withdrawal", "take money")])
    async def test_a_right_that_nothing_needs_is_told_for_what_it_allows(self, right: str, allows: str) -> None:
        key = {"key": "api_*****", "state": 1, "perms": [*RIGHTS, {"name": right, "read_only": False}]}
        found = by_check(await gate.preflight(Told(self.answers(**{gate.KEYS: [key]})), account("gate")))
        assert found[Check.PERMISSIONS][0] is Verdict.WARNING
        assert allows in found[Check.PERMISSIONS][1]

    @pytest.mark.parametrize(
        ("addresses", "verdict"),
        [(["203.0.113.7"], Verdict.OK), ([], Verdict.WARNING), (None, Verdict.OK)],
        ids=str,
    )
    async def test_a_key_bound_to_no_address_expires_and_one_of_which_nothing_is_told_may_not(
        self, addresses: Any, verdict: Verdict
    ) -> None:
        answers = self.answers(**{gate.DETAIL: {"user_id": 1, "ip_whitelist": addresses}})
        assert by_check(await gate.preflight(Told(answers), account("gate")))[Check.KEY][0] is verdict

    @pytest.mark.parametrize("margin", [None, True, [], "2"], ids=str)
    async def test_a_margin_mode_that_is_not_told_is_called_so(self, margin: Any) -> None:
        wallet = {"in_dual_mode": False, "margin_mode": margin}
        answers = self.answers(**dict.fromkeys(gate.ACCOUNTS.values(), wallet))
        findings = await gate.preflight(Told(answers), account("gate"))
        told = [(row.verdict, row.says) for row in findings if row.check is Check.ACCOUNT]
        parts = "usdt, btc, usd1, delivery usdt"
        assert told == [
            (Verdict.OK, f"account of user 1 ({parts})"),
            (Verdict.NOT_TOLD, f"the margin mode ({parts})"),
        ]

    async def test_a_hedged_delivery_account_is_a_problem_for_nothing_sets_both_its_sides(self) -> None:
        hedged = {gate.ACCOUNTS[MarketType.FUTURE]: {"in_dual_mode": True, "margin_mode": 0}}
        findings = await gate.preflight(Told(self.answers(**hedged)), account("gate"))
        told = [row for row in findings if row.check is Check.POSITION_MODE]
        assert [row.verdict for row in told] == [Verdict.OK, Verdict.PROBLEM]

"""What Bybit's records are about, by their types: of the transaction log, of executions, of closed profits.

Sources: V5 "Enums Definitions" (type(uta-translog), type(contract-translog), execType) with the change log up to
2026-08-20, "Get Transaction Log", "Get Closed PnL", and bybit-api 4.7.7, all read on 2026-11-29.
"""

from collections.abc import Iterator

from worker.venues.reading.records import Notion, RecordType, RecordTypes


def _all(notion: Notion, names: str, amount: str | None = None) -> Iterator[tuple[str, RecordType]]:
    return ((name, RecordType(notion, amount)) for name in names.split())


LOG = RecordTypes(
    "bybit",
    dict(
        (
            *_all(Notion.FUNDING, "SETTLEMENT"),
            # The dividend of a share that a perpetual is about, paid between its sides as funding is. No document says
            # which field has it; `change` is all that moved.
            *_all(Notion.FUNDING, "DIVIDEND_SETTLEMENT", "change"),
            # what is realized is told by the closed profits, the session settlement of USDC contracts too
            *_all(
                Notion.REALIZED_PNL,
                "TRADE DELIVERY LIQUIDATION ADL FORWARD_SPLIT_SETTLE REVERSE_SPLIT_SETTLE",
                "cashFlow",
            ),
            *_all(Notion.FEE, "FEE_REFUND SPREAD_FEE_OUT BROKER_ABACCOUNT_FEE CUSTODY_NETWORK_FEE CUSTODY_SETTLE_FEE"),
            *_all(
                Notion.TRANSFER,
                """
                TRANSFER_IN TRANSFER_OUT TRANSFER_IN_INS_LOAN TRANSFER_OUT_INS_LOAN PREMARKET_TRANSFER_OUT
                BONUS_TRANSFER_IN BONUS_TRANSFER_OUT PEF_TRANSFER_IN PEF_TRANSFER_OUT INSTITUTION_LOAN_TRANSFER_IN
                INSTITUTION_LOAN_TRANSFER_OUT INSTITUTION_LOAN_WITHOUT_WITHDRAW DBS_CASH_OUT DBS_CASH_IN DBS_CASH_OUT_TR
                DBS_CASH_IN_TR CUSTODY_CASH_RECOVER_TR
                """,
            ),
            *_all(
                Notion.NEITHER,
                """
                AIRDROP BONUS BONUS_RECOLLECT INTEREST CURRENCY_BUY CURRENCY_SELL BORROWED_AMOUNT_INS_LOAN
                PRINCIPLE_REPAYMENT_INS_LOAN INTEREST_REPAYMENT_INS_LOAN AUTO_SOLD_COLLATERAL_INS_LOAN
                AUTO_BUY_LIABILITY_INS_LOAN AUTO_PRINCIPLE_REPAYMENT_INS_LOAN AUTO_INTEREST_REPAYMENT_INS_LOAN
                SPOT_REPAYMENT_SELL SPOT_REPAYMENT_BUY TOKENS_SUBSCRIPTION TOKENS_REDEMPTION AUTO_DEDUCTION
                FLEXIBLE_STAKING_SUBSCRIPTION FLEXIBLE_STAKING_REDEMPTION FIXED_STAKING_SUBSCRIPTION
                FLEXIBLE_STAKING_REFUND FIXED_STAKING_REFUND PREMARKET_DELIVERY_SELL_NEW_COIN
                PREMARKET_DELIVERY_BUY_NEW_COIN PREMARKET_DELIVERY_PLEDGE_PAY_SELLER PREMARKET_DELIVERY_PLEDGE_BACK
                PREMARKET_ROLLBACK_PLEDGE_BACK PREMARKET_ROLLBACK_PLEDGE_PENALTY_TO_BUYER CUSTODY_LOCK CUSTODY_UNLOCK
                CUSTODY_UNLOCK_REFUND LOANS_BORROW_FUNDS LOANS_PLEDGE_ASSET PEF_PROFIT_SHARE ONCHAINEARN_SUBSCRIPTION
                ONCHAINEARN_REDEMPTION ONCHAINEARN_REFUND STRUCTURE_PRODUCT_SUBSCRIPTION STRUCTURE_PRODUCT_REFUND
                CLASSIC_WEALTH_MANAGEMENT_SUBSCRIPTION PREMIMUM_WEALTH_MANAGEMENT_SUBSCRIPTION
                PREMIMUM_WEALTH_MANAGEMENT_REFUND LIQUIDITY_MINING_SUBSCRIPTION LIQUIDITY_MINING_REFUND PWM_SUBSCRIPTION
                PWM_REFUND DEFI_INVESTMENT_SUBSCRIPTION DEFI_INVESTMENT_REFUND DEFI_INVESTMENT_REDEMPTION
                INSTITUTION_LOAN_IN INSTITUTION_PAYBACK_PRINCIPAL_OUT INSTITUTION_PAYBACK_INTEREST_OUT
                INSTITUTION_EXCHANGE_SELL INSTITUTION_EXCHANGE_BUY INSTITUTION_LIQ_PRINCIPAL_OUT
                INSTITUTION_LIQ_INTEREST_OUT INSTITUTION_LOAN_RESERVE_IN INSTITUTION_LOAN_RESERVE_OUT
                PLATFORM_TOKEN_MNT_LIQRECALLEDMMNT PLATFORM_TOKEN_MNT_LIQRETURNEDMNT BORROW REPAY CONVERT
                EARNING_REDEMPTION_SELL EARNING_REDEMPTION_BUY ALPHA_SMALL_TOKEN_REFUND TWAP_BUDGET_AIRDROP
                TWAP_BUDGET_RECALL FLOATING_TO_FIXED_BORROW FLOATING_TO_FIXED_REPAY IDN_CONVERT_IN IDN_CONVERT_OUT
                Others
                """,
            ),
        )
    ),
    source='V5 "Enums Definitions", type(uta-translog), and the change log up to 2026-08-20',
    fields={Notion.FUNDING: "funding", Notion.REALIZED_PNL: "cashFlow", Notion.FEE: "fee", Notion.TRANSFER: "cashFlow"},
    own=(Notion.FUNDING,),
)
"""The transaction log. `funding` is positive when received, and nothing else stands there."""

EXECUTIONS = RecordTypes(
    "bybit",
    dict(
        (
            *_all(Notion.FUNDING, "Funding"),
            *_all(
                Notion.FEE,
                """
                Trade AdlTrade BustTrade Delivery Settle BlockTrade MovePosition FutureSpread CorporateAction
                ForwardSplitSettle ReverseSplitSettle SessionSettlePnL
                """,
            ),
            # UNKNOWN comes from classic accounts and can't be asked for; Dividend is told by the log
            *_all(Notion.NEITHER, "UNKNOWN Dividend"),
        )
    ),
    source='V5 "Enums Definitions", execType, and the change log up to 2026-08-20',
    fields={Notion.FUNDING: "execFee", Notion.FEE: "execFee"},
)
"""Executions. `execFee` is positive when paid, and what it is for only the type says."""

CLOSED = RecordTypes(
    "bybit",
    dict(
        _all(
            Notion.REALIZED_PNL,
            """
            Trade BustTrade SessionSettlePnL Settle MovePosition CorporateAction ForwardSplitSettle ReverseSplitSettle
            AdlTrade Delivery BlockTrade FutureSpread Dividend
            """,
        )
    ),
    source='V5 "Get Closed PnL", execType, of 2026-08-05, and the change log up to 2026-08-20',
    fields={Notion.REALIZED_PNL: "closedPnl"},
    own=(Notion.REALIZED_PNL,),
)
"""Closed profits: whatever closed a position, `closedPnl` is what came of it."""

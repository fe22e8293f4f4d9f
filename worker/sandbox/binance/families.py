"""Every endpoint that is served, with its weight (the endpoints' own pages).

Portfolio Margin has no endpoint for the margin type: its accounts are always in cross margin.
"""

from worker.sandbox.binance import market_data, portfolio, positions, reports, settings, wallets
from worker.sandbox.binance.endpoint import Family, Public, Signed
from worker.sandbox.binance.income import COIN_MARGINED, PORTFOLIO_CM, PORTFOLIO_UM, USDS_MARGINED

FAPI = Family(
    name="fapi",
    limit=2_400,
    right="futures",
    endpoints=(
        Public("GET", "/fapi/v1/ping", 1, market_data.ping),
        Public("GET", "/fapi/v1/time", 1, market_data.server_time),
        Public("GET", "/fapi/v1/exchangeInfo", 1, market_data.linear_information),
        Public("GET", "/fapi/v1/premiumIndex", 1, market_data.linear_premium_index, weight_of_all=10),
        Signed("GET", "/fapi/v1/leverageBracket", 1, reports.linear_brackets),
        Signed("POST", "/fapi/v1/leverage", 1, settings.leverage(inverse=False)),
        Signed("POST", "/fapi/v1/marginType", 1, settings.margin_type(inverse=False)),
        Signed("GET", "/fapi/v1/symbolConfig", 5, settings.symbol_config),
        Signed("GET", "/fapi/v1/accountConfig", 5, settings.account_config),
        Signed("GET", "/fapi/v1/positionSide/dual", 30, settings.position_mode),
        Signed("POST", "/fapi/v1/positionSide/dual", 1, settings.change_position_mode),
        Signed("GET", "/fapi/v1/multiAssetsMargin", 30, settings.multi_assets_mode),
        Signed("GET", "/fapi/v2/positionRisk", 5, positions.linear_v2),
        Signed("GET", "/fapi/v3/positionRisk", 5, positions.linear_v3),
        Signed("GET", "/fapi/v1/income", 30, reports.income(USDS_MARGINED, inverse=False, text_ids=False)),
    ),
)

DAPI = Family(
    name="dapi",
    limit=2_400,
    right="futures",
    endpoints=(
        Public("GET", "/dapi/v1/ping", 1, market_data.ping),
        Public("GET", "/dapi/v1/time", 1, market_data.server_time),
        Public("GET", "/dapi/v1/exchangeInfo", 1, market_data.inverse_information),
        Public("GET", "/dapi/v1/premiumIndex", 10, market_data.inverse_premium_index),
        Signed("GET", "/dapi/v1/leverageBracket", 1, reports.pair_brackets),
        Signed("GET", "/dapi/v2/leverageBracket", 1, reports.inverse_brackets),
        Signed("POST", "/dapi/v1/leverage", 1, settings.leverage(inverse=True)),
        Signed("POST", "/dapi/v1/marginType", 1, settings.margin_type(inverse=True)),
        Signed("GET", "/dapi/v1/account", 5, wallets.inverse_account),
        Signed("GET", "/dapi/v1/positionSide/dual", 30, settings.position_mode),
        Signed("POST", "/dapi/v1/positionSide/dual", 1, settings.change_position_mode),
        Signed("GET", "/dapi/v1/positionRisk", 1, positions.inverse),
        Signed("GET", "/dapi/v1/income", 20, reports.income(COIN_MARGINED, inverse=True, text_ids=True)),
    ),
)

PAPI = Family(
    name="papi",
    limit=6_000,
    right="portfolio_margin",
    endpoints=(
        Public("GET", "/papi/v1/ping", 1, market_data.ping),
        Signed("GET", "/papi/v1/balance", 20, portfolio.balance),
        Signed("GET", "/papi/v1/account", 20, portfolio.account_totals),
        Signed("POST", "/papi/v1/auto-collection", 750, portfolio.auto_collection),
        Signed("POST", "/papi/v1/asset-collection", 30, portfolio.asset_collection),
        Signed("GET", "/papi/v1/um/account", 5, wallets.portfolio_um_account),
        Signed("GET", "/papi/v1/cm/account", 5, wallets.portfolio_cm_account),
        Signed("POST", "/papi/v1/um/leverage", 1, settings.leverage(inverse=False)),
        Signed("POST", "/papi/v1/cm/leverage", 1, settings.leverage(inverse=True)),
        Signed("GET", "/papi/v1/um/leverageBracket", 1, reports.portfolio_um_brackets),
        Signed("GET", "/papi/v1/cm/leverageBracket", 1, reports.portfolio_cm_brackets),
        Signed("GET", "/papi/v1/um/symbolConfig", 5, settings.portfolio_symbol_config),
        Signed("GET", "/papi/v1/um/accountConfig", 5, settings.account_config),
        Signed("GET", "/papi/v1/um/positionSide/dual", 30, settings.position_mode),
        Signed("POST", "/papi/v1/um/positionSide/dual", 1, settings.change_position_mode),
        Signed("GET", "/papi/v1/cm/positionSide/dual", 30, settings.position_mode),
        Signed("POST", "/papi/v1/cm/positionSide/dual", 1, settings.change_position_mode),
        Signed("GET", "/papi/v1/um/positionRisk", 5, positions.portfolio_um),
        Signed("GET", "/papi/v1/cm/positionRisk", 1, positions.portfolio_cm),
        Signed("GET", "/papi/v1/um/income", 30, reports.income(PORTFOLIO_UM, inverse=False, text_ids=True)),
        Signed("GET", "/papi/v1/cm/income", 30, reports.income(PORTFOLIO_CM, inverse=True, text_ids=True)),
    ),
)

SAPI = Family(
    name="sapi",
    limit=12_000,
    endpoints=(Signed("GET", "/sapi/v1/account/apiRestrictions", 1, settings.key_permissions),),
)
"""The wallet's host. Each of its endpoints has a limit of its own; here there is one."""

FAMILIES = (FAPI, DAPI, PAPI, SAPI)

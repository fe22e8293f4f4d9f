"""Every endpoint that is served, with its weight (its own page, checked 2026-11-29 in the official clients).

USDⓈ-M and COIN-M count together since 2026-06-30, 2,400 a minute and address: notice on their integration, A.3.


Portfolio Margin has no endpoint for the margin type: its accounts are always in cross margin.
"""

from worker.sandbox.binance import margin, market_data, orders, portfolio, positions, reports, settings, wallets
from worker.sandbox.binance.endpoint import BinancePublicEndpoint, BinanceSignedEndpoint, Family
from worker.sandbox.binance.income import COIN_MARGINED, PORTFOLIO_CM, PORTFOLIO_UM, USDS_MARGINED
from worker.sandbox.binance.key_endpoints import key_endpoints
from worker.sandbox.binance.listen_keys import Product

FAPI = Family(
    name="fapi",
    limit=2_400,
    right="futures",
    endpoints=(
        BinancePublicEndpoint("GET", "/fapi/v1/ping", 1, market_data.ping),
        BinancePublicEndpoint("GET", "/fapi/v1/time", 1, market_data.server_time),
        BinancePublicEndpoint("GET", "/fapi/v1/exchangeInfo", 1, market_data.linear_information),
        BinancePublicEndpoint("GET", "/fapi/v1/premiumIndex", 1, market_data.linear_premium_index, weight_of_all=10),
        BinanceSignedEndpoint("GET", "/fapi/v1/leverageBracket", 1, reports.linear_brackets),
        BinanceSignedEndpoint("POST", "/fapi/v1/leverage", 1, settings.leverage(inverse=False)),
        BinanceSignedEndpoint("POST", "/fapi/v1/positionMargin", 1, margin.position_margin(inverse=False)),
        BinanceSignedEndpoint("GET", "/fapi/v1/positionMargin/history", 1, margin.history(inverse=False)),
        BinanceSignedEndpoint("POST", "/fapi/v1/marginType", 1, settings.margin_type(inverse=False)),
        BinanceSignedEndpoint("POST", "/fapi/v1/stock/contract", 50, settings.sign_agreement),
        BinanceSignedEndpoint("GET", "/fapi/v1/symbolConfig", 5, settings.symbol_config),
        BinanceSignedEndpoint("GET", "/fapi/v1/accountConfig", 5, settings.account_config),
        BinanceSignedEndpoint("GET", "/fapi/v1/positionSide/dual", 30, settings.position_mode),
        BinanceSignedEndpoint("POST", "/fapi/v1/positionSide/dual", 1, settings.change_position_mode),
        BinanceSignedEndpoint("GET", "/fapi/v1/multiAssetsMargin", 30, settings.multi_assets_mode),
        BinanceSignedEndpoint("GET", "/fapi/v3/account", 5, wallets.linear_account),
        BinanceSignedEndpoint("GET", "/fapi/v2/positionRisk", 5, positions.linear_v2),
        BinanceSignedEndpoint("GET", "/fapi/v3/positionRisk", 5, positions.linear_v3),
        BinanceSignedEndpoint("GET", "/fapi/v1/openOrders", 1, orders.open_orders(inverse=False), weight_of_all=40),
        BinanceSignedEndpoint(
            "GET", "/fapi/v1/income", 30, reports.income(USDS_MARGINED, inverse=False, text_ids=False)
        ),
        *key_endpoints("/fapi/v1/listenKey", Product.UM),
    ),
)

DAPI = Family(
    name="dapi",
    limit=2_400,
    counts_with="fapi",
    right="futures",
    endpoints=(
        BinancePublicEndpoint("GET", "/dapi/v1/ping", 1, market_data.ping),
        BinancePublicEndpoint("GET", "/dapi/v1/time", 1, market_data.server_time),
        BinancePublicEndpoint("GET", "/dapi/v1/exchangeInfo", 1, market_data.inverse_information),
        BinancePublicEndpoint("GET", "/dapi/v1/premiumIndex", 10, market_data.inverse_premium_index),
        BinanceSignedEndpoint("GET", "/dapi/v1/leverageBracket", 1, reports.pair_brackets),
        BinanceSignedEndpoint("GET", "/dapi/v2/leverageBracket", 1, reports.inverse_brackets, weight_of_all=2),
        BinanceSignedEndpoint("POST", "/dapi/v1/leverage", 1, settings.leverage(inverse=True)),
        BinanceSignedEndpoint("POST", "/dapi/v1/positionMargin", 1, margin.position_margin(inverse=True)),
        BinanceSignedEndpoint("GET", "/dapi/v1/positionMargin/history", 1, margin.history(inverse=True)),
        BinanceSignedEndpoint("POST", "/dapi/v1/marginType", 1, settings.margin_type(inverse=True)),
        BinanceSignedEndpoint("GET", "/dapi/v1/account", 5, wallets.inverse_account),
        BinanceSignedEndpoint("GET", "/dapi/v1/positionSide/dual", 30, settings.position_mode),
        BinanceSignedEndpoint("POST", "/dapi/v1/positionSide/dual", 1, settings.change_position_mode),
        BinanceSignedEndpoint("GET", "/dapi/v1/positionRisk", 1, positions.inverse),
        BinanceSignedEndpoint("GET", "/dapi/v1/openOrders", 1, orders.open_orders(inverse=True), weight_of_all=40),
        BinanceSignedEndpoint("GET", "/dapi/v1/income", 20, reports.income(COIN_MARGINED, inverse=True, text_ids=True)),
        *key_endpoints("/dapi/v1/listenKey", Product.CM),
    ),
)

PAPI = Family(
    name="papi",
    limit=6_000,
    right="portfolio_margin",
    endpoints=(
        BinancePublicEndpoint("GET", "/papi/v1/ping", 1, market_data.ping),
        BinanceSignedEndpoint("GET", "/papi/v1/balance", 20, portfolio.balance),
        BinanceSignedEndpoint("GET", "/papi/v1/account", 20, portfolio.account_totals),
        BinanceSignedEndpoint("POST", "/papi/v1/auto-collection", 750, portfolio.auto_collection),
        BinanceSignedEndpoint("POST", "/papi/v1/asset-collection", 30, portfolio.asset_collection),
        BinanceSignedEndpoint("GET", "/papi/v1/um/account", 5, wallets.portfolio_um_account),
        BinanceSignedEndpoint("GET", "/papi/v1/cm/account", 5, wallets.portfolio_cm_account),
        BinanceSignedEndpoint("POST", "/papi/v1/um/leverage", 1, settings.leverage(inverse=False)),
        BinanceSignedEndpoint("POST", "/papi/v1/cm/leverage", 1, settings.leverage(inverse=True)),
        BinanceSignedEndpoint("POST", "/papi/v1/um/stock/contract", 5, settings.sign_agreement),
        BinanceSignedEndpoint("GET", "/papi/v1/um/leverageBracket", 1, reports.portfolio_um_brackets),
        BinanceSignedEndpoint("GET", "/papi/v1/cm/leverageBracket", 1, reports.portfolio_cm_brackets),
        BinanceSignedEndpoint("GET", "/papi/v1/um/symbolConfig", 5, settings.portfolio_symbol_config),
        BinanceSignedEndpoint("GET", "/papi/v1/um/accountConfig", 5, settings.account_config),
        BinanceSignedEndpoint("GET", "/papi/v1/um/positionSide/dual", 30, settings.position_mode),
        BinanceSignedEndpoint("POST", "/papi/v1/um/positionSide/dual", 1, settings.change_position_mode),
        BinanceSignedEndpoint("GET", "/papi/v1/cm/positionSide/dual", 30, settings.position_mode),
        BinanceSignedEndpoint("POST", "/papi/v1/cm/positionSide/dual", 1, settings.change_position_mode),
        BinanceSignedEndpoint("GET", "/papi/v1/um/positionRisk", 5, positions.portfolio_um),
        BinanceSignedEndpoint("GET", "/papi/v1/um/openOrders", 1, orders.open_orders(inverse=False), weight_of_all=40),
        BinanceSignedEndpoint("GET", "/papi/v1/cm/positionRisk", 1, positions.portfolio_cm),
        BinanceSignedEndpoint("GET", "/papi/v1/cm/openOrders", 1, orders.open_orders(inverse=True), weight_of_all=40),
        BinanceSignedEndpoint(
            "GET", "/papi/v1/um/income", 30, reports.income(PORTFOLIO_UM, inverse=False, text_ids=True)
        ),
        BinanceSignedEndpoint(
            "GET", "/papi/v1/cm/income", 30, reports.income(PORTFOLIO_CM, inverse=True, text_ids=True)
        ),
        *key_endpoints("/papi/v1/listenKey", Product.PM),
    ),
)

SAPI = Family(
    name="sapi",
    limit=12_000,
    endpoints=(BinanceSignedEndpoint("GET", "/sapi/v1/account/apiRestrictions", 1, settings.key_permissions),),
)
"""The wallet's host. Each of its endpoints has a limit of its own; here there is one."""

FAMILIES = (FAPI, DAPI, PAPI, SAPI)

"""Binance futures: USDⓈ-M under /fapi, COIN-M under /dapi, Portfolio Margin under /papi."""

"""Binance futures: USDⓈ-M under /fapi, COIN-M under /dapi, Portfolio Margin under /papi.

What is served here was last compared with Binance's documents on 2026-11-29: parameters, fields and weights by the
official clients 18.1, 14.1 and 16.1 (the contract tests do it anew on every run), codes and their messages by copies of
the error pages of 2025. What no document says is called a guess, or our own, where it stands. What a client may not
rely on any more is not served, such as `page` of the income history.
"""

"""Applying terms: one command about many symbols, carried out by ordinary commands, one after the other.

apply_terms ─▶ planned ─▶ recorded with its plan, acknowledged ─▶ symbol by symbol: set_margin_mode, set_leverage
                                             └▶ its worker dies: another one goes on where it was
            ─▶ all outcomes known ─▶ result and its event
"""

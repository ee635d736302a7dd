"""Hermes's features under routing, on the gateway side: one module per feature.

Each knows Hermes through :mod:`hermes_router.hermes.compat`. Begin at :mod:`.jobs`.
"""

"""What Hermes's features need of the gateway under routing, one module per feature.

Each knows Hermes through :mod:`hermes_router.hermes.compat`. Begin at :mod:`.prompts`.
"""

"""Hermes's own start: its command line, a runner without platforms, and shortcuts for both.

:mod:`hermes_router_worker.startup` says when a worker or a template uses each of them. No module
here imports Hermes before one of its functions is called.
"""

"""The parts of Hermes that send without a turn's adapter; they call functions of ours instead.

These are the send engine with its targets and tools, the ledger of unsent replies, the directory of
channels, and the files that a login shell reads. :mod:`hermes_router_worker.send` has the functions
that they call.
"""

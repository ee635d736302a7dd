"""One module per command: ``configure(parser)`` describes its options, ``run(options)`` does it.

Commands may use everything below :mod:`hermes_router.cli`. Begin at :mod:`.test_route`.
"""

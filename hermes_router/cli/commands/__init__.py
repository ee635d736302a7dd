"""One module per command: ``configure`` describes its options, ``run`` carries it out.

Commands may use everything below :mod:`hermes_router.cli`. Begin at :mod:`.test_route`.
"""

"""What a running gateway does, or why it does not answer a command.

This package reads the record that a gateway keeps on disk, and what it answers at its socket. It
uses no check of ``doctor``. Begin at :mod:`.serving`.
"""

"""What the README and the pages say is true, and their site is whole.

Begin at ``test_docs.py``.
"""

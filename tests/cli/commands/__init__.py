"""One command each, as a person runs it: what it prints, what it changes, and its exit status.

What all commands have in common stands in ``tests/cli/test_habits.py``.
"""

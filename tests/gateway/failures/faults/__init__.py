"""The table of faults: moments of a turn, and what ends in them; ``make faults`` prints it.

Begin at ``table.py``, which plays a row. ``moments.py`` brings messages into a moment; ``ends.py``
and ``ends_around.py`` do what goes wrong there.
"""

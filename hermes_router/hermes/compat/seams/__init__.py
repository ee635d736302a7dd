"""The integration points: every place where the gateway side calls Hermes or reads its state.

Each is one named function. Begin at :mod:`.required`, which checks that this Hermes has them.
"""

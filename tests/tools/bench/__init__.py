"""The benchmark (`make bench`): Hermes's in-process routing and the router, side by side.

`sides` configure a Hermes root, `stage` runs a gateway on it and drives it, `figures` hold one
small module for each thing that is measured, `rounds` runs them in alternating rounds, `summary` is
pure arithmetic, `table` and `chart` show it.
"""

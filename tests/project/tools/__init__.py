"""The tools of ``tests/tools``, which the Makefile runs: they measure and judge as they should.

A module for each tool.
"""

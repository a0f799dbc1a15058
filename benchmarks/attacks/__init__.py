"""Attacks on trainrun, a module for some kinds: `ATTACKS` has a list of functions for each kind.

An attack gets an empty folder, does there what goes wrong in practice, and asserts what docs/ promise; its docstring is its name.
"""

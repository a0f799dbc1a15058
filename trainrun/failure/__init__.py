"""Failures of a run: which are retried and how, and the search for the origin of a NaN.

The input is an exception, or a step with a NaN, and functions that build and train again; the output is another attempt, a
report that names layer and examples, or an error for the user. Begin with `classification.py`, then `retry.py`.
"""

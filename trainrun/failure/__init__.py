"""What happens when a run fails: which failures are retried, on what terms, and where a NaN came from.

In come an exception, or a step with a NaN in it, and functions to build and train again; out come a decision to retry,
a report that names layer and examples, or an error in the user's words. Begin with `classification.py`.
"""

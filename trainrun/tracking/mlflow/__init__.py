"""The tracker MLflow, and the only place that knows it.

In come records of a journal; out go runs, metrics, files and models in an MLflow store. Begin with `tracker.py`.
"""

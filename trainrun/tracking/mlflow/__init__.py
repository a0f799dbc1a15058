"""The MLflow tracker; the only package that imports MLflow.

In come records of a journal; out go runs, metrics, files and models in an MLflow store. Begin with `tracker.py`.
"""

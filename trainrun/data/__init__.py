"""Datasets, one kind a file, and their shared code: tables, splits, lazy arrays, the order of examples.

In come the arguments of conf/data/<name>.yaml; out comes a `Dataset` of arrays with their meaning. The order of the
data is a pure function of seed, epoch and step. Begin with `dataset.py`, then `iris.py`.
"""

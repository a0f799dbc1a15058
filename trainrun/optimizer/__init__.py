"""Optimizers of our own, one a file; Keras' own need only their YAML in conf/optimizer/.

In come numbers from the config; out comes a `keras.optimizers.Optimizer` that saves its whole state and works in
graphs, eagerly and over replicas. Begin with `radam.py`; those that wrap others stand on `_shared.py`.
"""

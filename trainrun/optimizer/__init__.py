"""trainrun's own optimizers, one a file; Keras' optimizers need only their YAML in conf/optimizer/.

The input is arguments from the config; the output is a `keras.optimizers.Optimizer` that saves its complete state and works in
graphs, eagerly and on several replicas. Begin with `radam.py`; optimizers that wrap others derive from `_shared.Wrapper`.
"""

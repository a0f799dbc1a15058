"""Metrics of our own, one a file; Keras' own need only their YAML in conf/metric/.

In come numbers from the config; out comes a `keras.metrics.Metric`. A file is a component exactly if conf/metric/ has
its YAML. Begin with `mean_pred.py`.
"""

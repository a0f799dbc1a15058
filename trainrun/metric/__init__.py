"""trainrun's own metrics, one a file; Keras' metrics need only their YAML in conf/metric/.

The input is arguments from the config; the output is a `keras.metrics.Metric`. A file is a component exactly if
conf/metric/ has its YAML. Begin with `mean_pred.py`.
"""

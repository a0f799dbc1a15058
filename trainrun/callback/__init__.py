"""Callbacks of our own, one a file; Keras' own need only their YAML in conf/callback/.

In come their arguments and what Keras calls them with; out go entries in the logs, or a stop of the training. A file is
a component exactly if conf/callback/ has its YAML. Begin with `time_limit.py`.
"""

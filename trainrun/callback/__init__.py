"""trainrun's own callbacks, one a file; Keras' callbacks need only their YAML in conf/callback/.

The input is arguments from the config and the calls of Keras' hooks; the output is entries in the logs, or the end of
training. A file is a component exactly if conf/callback/ has its YAML. Begin with `time_limit.py`.
"""

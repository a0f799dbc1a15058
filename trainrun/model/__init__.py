"""Models, one a file, and what is known of any model: its cost, its variables, how it is saved.

In come input and target specs and numbers from the config; out comes a built, uncompiled `keras.Model`. A file is a
component exactly if conf/model/ has its YAML. Begin with `mlp.py`.
"""

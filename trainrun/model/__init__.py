"""Model builders, one a file, and properties of any model: its cost, its variables, the kind of its output, saving.

The input is the specs of the data's inputs and target, and arguments from the config; the output is a built, uncompiled
`keras.Model`. A file is a component exactly if conf/model/ has its YAML. Begin with `mlp.py`.
"""

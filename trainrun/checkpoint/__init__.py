"""Checkpoints: save the whole state of a training, and restore it bit for bit.

The input is model, callbacks and position; the output is files below checkpoints/, written atomically, whose contents are
restored into the objects of another process. Begin with `training_state.py`, then `writer.py`.
"""

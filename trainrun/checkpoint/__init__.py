"""Saving the whole state of a running training, and putting it back to the same bits.

In come model, callbacks and position; out go files below checkpoints/, written atomically, and their contents put back
into the objects of another process. Begin with `training_state.py`, then `writer.py`.
"""

"""The training step of `trainer=custom`, which a plug-in can replace.

The input is a compiled model, a batch and the batch's share of the loss; the step updates the weights and returns the loss and
the predictions. Begin with `default.py`.
"""

"""One training step of `trainer=custom`, for those who want to write their own.

In come model, batch and the batch's share; out come the loss and the predictions, the weights updated. Begin with
`default.py`.
"""

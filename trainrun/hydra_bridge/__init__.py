"""All that knows Hydra: composition, launcher and sweeper plug-ins, its messages, its files.

In come the words of the command line; out come composed configs, the points of a sweep, and problems in our words.
Workarounds of Hydra stand here, each with a comment: what Hydra does, in which version, and what is done instead.
Begin with `main.py`, then `compose.py`.
"""

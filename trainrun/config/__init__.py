"""What may stand in a config: its schema, the rules, plug-ins, and how a recorded config is read again.

In comes a composed config as plain dicts; out come problems, all at once, before TensorFlow is loaded. Nothing here
knows Hydra (`hydra_bridge` does) or builds objects (`registry` and `run` do). Begin with `check.py`.
"""

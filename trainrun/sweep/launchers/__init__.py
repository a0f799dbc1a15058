"""Launchers of trials: processes of this machine, a Ray cluster, Slurm.

In come trials, as overrides and a directory; out come messages of one worker protocol: epochs, results, failures. A
launcher is an `Engine`; `factory.py` finds it by name. Begin with `interface.py`, then `local.py`.
"""

"""Search spaces of sweeps, and the choice of the next point: grids, random search, Optuna, seeds.

In come dimensions with their conditions, and the results so far; out come overrides of the next trials. Begin with
`search_space.py`, then `trial_source.py`.
"""

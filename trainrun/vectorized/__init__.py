"""Many trials of one shape in one compiled graph: an engine for sweeps of small models.

In come runs that wait for a pass over their data; out come their metrics, the variables following when they are
wanted. A graph is checked against trials trained by themselves before it is used. Begin with `engine.py`.
"""

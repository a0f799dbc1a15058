"""Many trials of one shape in one compiled graph: an engine for sweeps of small models.

The input is runs that wait for a pass over their data; the output is their metrics, and the values of their variables when
these are needed. A graph is compared with separate trials before it is used. Begin with `engine.py`.
"""

"""Views of a sweep: the live table, `watch`, overviews, plots.

In come the sweep's record and its trials' journals; out go tables on the terminal and files below plots/. Nothing here
decides. Begin with `live_table.py`.
"""

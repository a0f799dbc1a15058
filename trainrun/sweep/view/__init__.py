"""What a sweep shows: the live table, `watch`, overviews, pictures.

In come the sweep's record and its trials' journals; out go tables on the terminal and files below plots/. Nothing here
decides. Begin with `live_table.py`.
"""

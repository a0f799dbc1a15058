"""From a name in a config to a component: found by file, read without being imported, built when it is needed.

In come a group, a name and arguments; out come a signature, what the component demands, or the object itself. The
registry is closed: a config cannot name code that is not registered. Begin with `lookup.py`.
"""

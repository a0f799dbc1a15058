"""Components by name: found by file, read without being imported, built when needed.

In come a group, a name and arguments; out come a signature, a declaration, or the object itself. The
registry is closed: a config cannot name code that is not registered. Begin with `lookup.py`.
"""

"""Every use of another library's private names, one file a library (Keras, the largest, one file a concept).

In come the library's own objects; out goes what its public API does not provide. Each function states its purpose, why the
public API is not enough, the version it was checked with, and what happens if the name is missing. `tests/compat/` fails if
one of these names has changed, so that an upgrade fails there and not in a user's run.
The libraries are imported inside the functions; this package imports only `util`. Begin with `keras_private.py`.
"""

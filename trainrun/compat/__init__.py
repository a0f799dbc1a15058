"""Every use of another library's private names, one file a library (Keras, the largest, one file a concept).

What comes in are the library's own objects; what goes out is what its public API does not give. Each function says what
it is for, why the public API does not do, which version it was checked with, and what happens when the name is gone.
`tests/compat/` fails when one of these names has changed, so that an upgrade shows here and not in a user's run.
The libraries are imported inside the functions; this package imports only `util`. Begin with `keras_private.py`.
"""

"""Small tools that know nothing of training: paths, redaction, durations, signals, subprocesses, YAML files.

In and out go plain values. Nothing here imports another part of trainrun. Begin with any file; each stands alone.
"""

"""The warm process: it has imported TensorFlow and run nothing, and each run is a fork of it.

In comes a command line with its environment, working directory, open files and signals; out goes its exit code. The command
itself (`client.py`) waits, and passes signals on. A socket that only its user can open connects them. Linux only.
Begin with `client.attempt`, then `server.py`, then `forked.py`.
"""

"""The verbs of the command line, one a file: `trainrun VERB …` calls `main(argv)` of VERB.py.

In come the words behind the verb; out go lines on the terminal and an exit code. A file without a leading underscore is
a verb, and its first line is the verb's line of help. Begin with `best.py`, the shortest.
"""

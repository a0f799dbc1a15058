"""What Keras' own classes declare, a table a group: they cannot bear our declarations themselves.

Comes in: nothing. Goes out: a mapping from a class' name to its declaration (`trainrun.util.declarations`), read by
`registry.declaration_reader`. Tests hold each table against the installed Keras. Begin with `metric.py`.
"""

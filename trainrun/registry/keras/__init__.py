"""What Keras' own classes declare, a table a group: they cannot bear our declarations themselves.

Comes in: nothing. Goes out: class name -> declaration (`DECLARATIONS`, see `trainrun.util.declarations`) and class name ->
argument -> type hint (`ARGUMENTS`, see `trainrun.util.arguments`). Tests hold each table against the installed Keras. Begin
with `metric.py`.
"""

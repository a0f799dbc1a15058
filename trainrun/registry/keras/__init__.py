"""Declarations of Keras' own classes, one table a group.

No input; the output is class name -> declaration (`DECLARATIONS`, see `trainrun.util.declarations`) and class name ->
argument -> type hint (`ARGUMENTS`, see `trainrun.util.arguments`). Tests compare each table with the installed Keras. Begin
with `metric.py`.
"""

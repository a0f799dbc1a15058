"""Rules of a whole config, one function a rule.

In comes the resolved config; out come problems with key, expectation, value and way out. A rule of one component's
argument stands in that component's signature instead. Begin with `combinations.py`.
"""

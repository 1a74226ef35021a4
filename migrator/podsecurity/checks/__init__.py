"""The checks of the Pod Security Standards, one in each module: a new module is a new check.

A module's documentation has a title, the rule, and the sections that `tests/podsecurity` asks for.
"""

"""Pod Security Standards: what a pod violates at each policy version, and what a namespace's labels ask for.

The verdicts, reasons and details are those of kubernetes/pod-security-admission v0.37.2.
"""

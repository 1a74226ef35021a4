"""Moves Kubernetes workloads off host ports and PodSecurityPolicy, and Rancher v1.6 stacks along."""

__version__ = "0.1.0"

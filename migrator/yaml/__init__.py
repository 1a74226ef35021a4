"""YAML and JSON text: where things stand, what they mean to Kubernetes, how to change a few bytes."""

"""PodSecurityPolicy as Kubernetes 1.24 enforced it: who may use which policy, and what it does to a pod."""

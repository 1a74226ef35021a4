"""Builds the Pod Security oracle: `python -m tests.oracles.build` prints where it stands."""

from __future__ import annotations

from pathlib import Path

from tests.oracles.go_programs import build_go_program

POD_SECURITY = Path(__file__).parent / "pod_security"


def build_pod_security_oracle() -> Path:
    """Build upstream's evaluator behind JSON lines (see pod_security/main.go)."""
    return build_go_program(POD_SECURITY, ".", "pod-security-oracle")


if __name__ == "__main__":
    print(build_pod_security_oracle())

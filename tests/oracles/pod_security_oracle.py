"""Upstream's Pod Security evaluator as a program: `python -m tests.oracles.pod_security_oracle` builds it.

Questions and answers are described in pod_security/main.go.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.oracles.go_programs import build_go_program

SOURCES = Path(__file__).parent / "pod_security"


def build_pod_security_oracle() -> Path:
    """Build the program, or find it in the cache."""
    return build_go_program(SOURCES, ".", "pod-security-oracle")


def ask_pod_security_oracle(questions: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the answer to each question, in order.

    Raises ValueError where the program could not read a question: a mistake in the test, not a verdict.
    """
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    program = build_pod_security_oracle()
    finished = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    for line in finished.stdout.removesuffix("\n").split("\n"):
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        yield answer


if __name__ == "__main__":
    print(build_pod_security_oracle())

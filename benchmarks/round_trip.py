"""Takes host ports out as a script on ruamel.yaml does: load each document, delete the keys, dump it again.

    python benchmarks/round_trip.py FILE...

Prints how many host ports went. What it dumps goes nowhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ruamel.yaml import YAML


def remove_host_ports(document: dict) -> int:
    """Delete `hostPort` from every container port of a Deployment and tell how many there were."""
    removed = 0
    for container in document["spec"]["template"]["spec"]["containers"]:
        for port in container.get("ports", ()):
            removed += port.pop("hostPort", None) is not None
    return removed


def main() -> None:
    """Load, edit and dump each file that the command line names."""
    removed = 0
    with Path(os.devnull).open("w") as nowhere:
        for path in sys.argv[1:]:
            yaml = YAML()
            yaml.preserve_quotes = True
            documents = list(yaml.load_all(Path(path).read_text()))
            removed += sum(remove_host_ports(document) for document in documents)
            yaml.dump_all(documents, nowhere)
    print(removed)


if __name__ == "__main__":
    main()

"""Quantities of resources, as the Kubernetes API writes them: 500m, 1.5, 2Gi, 1e3."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)\Z")
_POWERS = {name: Decimal(1000) ** power for power, name in enumerate("num kMGTPE", start=-3) if name != " "}
_POWERS |= {f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", start=1)}


def parse_quantity(value: Any, scale: int = 1) -> int:
    """Give a quantity in units of 1/scale, rounded up (1000 for CPUs in millicores, 1 for bytes).

    Raises ValueError for anything that the API would not decode
    (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no quantity")
    return _parse(str(value), scale)


@lru_cache(maxsize=4096)
def _parse(text: str, scale: int) -> int:
    match = _FORM.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity, such as 500m, 2 or 1Gi")
    number = Decimal(match[1] + (match[2] or "")) * _POWERS.get(match[3] or "", Decimal(1))
    return int((number * scale).to_integral_value(ROUND_CEILING))

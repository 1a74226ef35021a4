"""Memory and CPU: limits and requests."""

from __future__ import annotations

from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, report
from migrator.sources.rancher.translate.numbers import read_count, read_size, write_size
from migrator.sources.rancher.translate.survey import Context

_DEFAULT_PERIOD = 100_000


def build_resources(service: StackService, context: Context) -> Part:
    """Build `resources`; a reservation above its limit is cut to it."""
    fates: list[KeyFate] = []
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    limit = _read_memory(service, "mem_limit", fates)
    reservation = _read_memory(service, "mem_reservation", fates)
    if limit:
        limits["memory"] = write_size(limit)
    if reservation:
        if limit and reservation > limit:
            message = "The reservation is above the limit; it is cut to it."
            fates.append(report(service.origin_of("mem_reservation"), message))
        requests["memory"] = write_size(min(reservation, limit or reservation))
    cpu_limit = _read_cpu_limit(service)
    if cpu_limit:
        limits["cpu"] = f"{cpu_limit}m"
    request = read_count(service.get("milli_cpu_reservation"))
    shares = read_count(service.get("cpu_shares"))
    if not request and shares and shares > 0:
        request = max(1, shares * 1000 // 1024)
        message = f"requests.cpu {request}m: 1024 shares are taken for a core; Docker's shares only weigh containers."
        fates.append(report(service.origin_of("cpu_shares"), message))
    if request and request > 0:
        requests["cpu"] = f"{min(request, cpu_limit or request)}m"
    resources = {key: value for key, value in (("requests", requests), ("limits", limits)) if value}
    for key in ("milli_cpu_reservation", "cpu_shares", "cpu_quota", "cpu_period"):
        value = service.get(key)
        if value not in (None, "") and read_count(value) is None:
            fates.append(report(service.origin_of(key), f"{value!r} is no number; left out."))
    return Part(container={"resources": resources}, fates=tuple(fates))


def _read_memory(service: StackService, key: str, fates: list[KeyFate]) -> int | None:
    value = service.get(key)
    if value in (None, "", 0, "0"):
        return None
    size = read_size(value)
    if size is None:
        fates.append(report(service.origin_of(key), f"{value!r} is no size; left out."))
    return size


def _read_cpu_limit(service: StackService) -> int | None:
    quota = read_count(service.get("cpu_quota"))
    if not quota or quota < 0:
        return None
    period = read_count(service.get("cpu_period")) or _DEFAULT_PERIOD
    return max(1, quota * 1000 // period)

"""The checks that exist, and which of them run at a policy version."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module

from migrator.model.record import record
from migrator.podsecurity import checks as checks_package
from migrator.podsecurity.check import Check, CheckPod
from migrator.podsecurity.level import BASELINE, RESTRICTED, Level
from migrator.podsecurity.version import NEWEST, PolicyVersion, clamp_version


class RegistryError(Exception):
    """The checks contradict one another; no pod can be judged with them."""


@record
class ActiveCheck:
    """A check as it runs at one version; an overridden one runs for baseline alone."""

    id: str
    level: Level
    check_pod: CheckPod
    overridden: bool


def list_active_checks(version: PolicyVersion) -> tuple[ActiveCheck, ...]:
    """List the checks of a version in upstream's order: baseline ids sorted, then restricted ids sorted."""
    return _list_active_checks(clamp_version(version))


@cache
def load_checks() -> tuple[Check, ...]:
    """Import every module in the folder of checks and take its CHECK.

    Raises RegistryError where they contradict one another, or a module's name is not its check's.
    """
    checks = tuple(load_check(name) for name in _list_module_names())
    validate_checks(checks)
    return checks


def load_check(module_name: str) -> Check:
    """Import one module in the folder of checks and take its CHECK.

    Raises RegistryError where there is none, or the module is not named after it.
    """
    module = import_module(f"{checks_package.__name__}.{module_name}")
    check = getattr(module, "CHECK", None)
    if not isinstance(check, Check):
        raise RegistryError(f"{module.__name__}: has no CHECK")
    if name_module(check.id) != module_name:
        raise RegistryError(f"{module.__name__}: check {check.id} belongs into {name_module(check.id)}.py")
    return check


def find_check(check_id: str) -> Check | None:
    """Find a check by upstream's id."""
    return next((check for check in load_checks() if check.id == check_id), None)


def document_check(check: Check) -> str:
    """Return the documentation of a check: a title, the rule, fields, allowed values, versions, sources."""
    module = import_module(f"{checks_package.__name__}.{name_module(check.id)}")
    return (module.__doc__ or "").strip()


def name_module(check_id: str) -> str:
    """Turn an id into the name of its module: `hostPorts` into `host_ports`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", check_id).lower()


def validate_checks(checks: Iterable[Check]) -> None:
    """Check the rules of upstream's registry (policy/registry.go); an override must name an existing check too.

    Raises RegistryError.
    """
    levels: dict[str, Level] = {}
    checks = tuple(checks)
    for check in checks:
        if check.id in levels:
            raise RegistryError(f"check {check.id}: registered more than once")
        if check.level not in (BASELINE, RESTRICTED):
            raise RegistryError(f"check {check.id}: no check belongs to level {check.level}")
        levels[check.id] = check.level
        _validate_versions(check)
    for check in checks:
        _validate_overrides(check, levels)


def _validate_versions(check: Check) -> None:
    if not check.versions:
        raise RegistryError(f"check {check.id}: has no versions")
    previous: PolicyVersion | None = None
    for versioned in check.versions:
        version = versioned.minimum_version
        if NEWEST.is_older(version):
            raise RegistryError(f"check {check.id}: {version} is newer than {NEWEST}")
        if previous is not None and not previous.is_older(version):
            raise RegistryError(f"check {check.id}: {version} does not come after {previous}")
        previous = version


def _validate_overrides(check: Check, levels: dict[str, Level]) -> None:
    if check.overrides and check.level != RESTRICTED:
        raise RegistryError(f"check {check.id}: only a restricted check may override")
    for override in check.overrides:
        if levels.get(override) != BASELINE:
            raise RegistryError(f"check {check.id}: overrides {override}, which is no baseline check")


def _list_module_names() -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(checks_package.__path__))


@cache
def _list_active_checks(version: PolicyVersion) -> tuple[ActiveCheck, ...]:
    active = [
        (check, check_pod)
        for check in sorted(load_checks(), key=lambda check: (check.level, check.id))
        if (check_pod := _select_version(check, version)) is not None
    ]
    overridden = {override for check, _ in active for override in check.overrides}
    return tuple(ActiveCheck(check.id, check.level, check_pod, check.id in overridden) for check, check_pod in active)


def _select_version(check: Check, version: PolicyVersion) -> CheckPod | None:
    selected = None
    for versioned in check.versions:
        if not version.is_older(versioned.minimum_version):
            selected = versioned.check_pod
    return selected

"""Control planes that last for the test session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from control_plane import ControlPlane, name_missing_requirement


@pytest.fixture(scope="session")
def control_plane_134() -> Iterator[ControlPlane]:
    """kube-apiserver v1.34.4 without the ServiceAccount plugin: a pod needs no service account first."""
    _skip_without_requirements()
    with ControlPlane("v1.34.4", disabled_admission_plugins=("ServiceAccount",)) as running:
        yield running


@pytest.fixture(scope="session")
def control_plane_124() -> Iterator[ControlPlane]:
    """kube-apiserver v1.24.17 with PodSecurityPolicy and ServiceAccount, as clusters were before 1.25."""
    _skip_without_requirements()
    with ControlPlane("v1.24.17", admission_plugins=("PodSecurityPolicy",)) as running:
        yield running


def _skip_without_requirements() -> None:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)

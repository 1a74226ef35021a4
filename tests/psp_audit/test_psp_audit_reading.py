"""Reading roles, bindings and service accounts: what the API would refuse is trouble, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.model.inventory import Inventory
from migrator.run import Request, Run

RBAC = "apiVersion: rbac.authorization.k8s.io/v1\nkind: "


def read(text: str, tmp_path: Path, name: str = "input.yaml") -> Inventory:
    (tmp_path / name).write_text(text)
    return Run(Request([str(tmp_path)])).read()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (f"{RBAC}Role\nmetadata: {{name: a}}\nrules:\n  - verbs: use\n", 5, "rules[0].verbs: must be a list"),
        (f"{RBAC}Role\nmetadata: {{name: a}}\nrules: [use]\n", 4, "rules[0]: must be a map"),
        (f"{RBAC}RoleBinding\nmetadata: {{name: a}}\nsubjects: {{kind: User}}\n", 4, "subjects: must be a list"),
        (f"{RBAC}RoleBinding\nmetadata: {{name: a}}\nroleRef: view\n", 4, "roleRef: must be a map"),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nautomountServiceAccountToken: 'no'\n",
            4,
            "automountServiceAccountToken: must be a boolean",
        ),
    ],
)
def test_what_the_api_would_refuse_is_trouble(text: str, line: int, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(text, tmp_path)
    assert caught.value.line == line
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{RBAC}Role\nmetadata: {{name: a}}\nrules: null\n",
        f"{RBAC}ClusterRole\nmetadata: {{name: a}}\naggregationRule: {{clusterRoleSelectors: []}}\nrules: []\n",
        f"{RBAC}RoleBinding\nmetadata: {{name: a}}\nroleRef: {{kind: Role, name: b}}\n",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n",
    ],
)
def test_what_is_left_out_is_no_trouble(text: str, tmp_path: Path) -> None:
    inventory = read(text, tmp_path)
    assert len(inventory.roles) + len(inventory.role_bindings) + len(inventory.service_accounts) == 1


def test_other_groups_kinds_of_the_same_names_are_passed_over(tmp_path: Path) -> None:
    inventory = read("apiVersion: iam.example.com/v1\nkind: Role\nmetadata: {name: a}\nrules: 3\n", tmp_path)
    assert inventory.roles == ()
    assert inventory.others == {"Role": 1}


def test_kustomizations_give_bindings_their_namespace(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namespace: shop\nresources: [rbac.yaml]\n")
    text = "---\n".join(
        f"{RBAC}{kind}\nmetadata: {{name: a}}\nroleRef: {{kind: ClusterRole, name: b}}\n"
        for kind in ("RoleBinding", "ClusterRoleBinding")
    )
    bindings = read(text, tmp_path, "rbac.yaml").role_bindings
    assert {(item.ref.kind, item.ref.namespace) for item in bindings} == {
        ("RoleBinding", "shop"),
        ("ClusterRoleBinding", None),
    }

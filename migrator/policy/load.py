"""Loading the policy: the nearest file up the tree, `--set` values on top, the built-in tables below.

Discovery is that of ruff: `.migrator.yaml` before `[tool.migrator]` of pyproject.toml in each folder, nearest folder
first, no merging of files.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrator.errors import InputError, PolicyError, TextError
from migrator.model.field import FieldPath, format_path, parse_path
from migrator.model.policy import Alternative, Cluster, DecisionRow, PodSecurityPolicyData, Policy
from migrator.model.workload import WorkloadKind
from migrator.sources.files import display_path
from migrator.sources.tables import built_in_workload_kinds, load_table
from migrator.yaml.data import construct, find_nearest
from migrator.yaml.nodes import Node, compose
from migrator.yaml.scan import column_of, line_of

if TYPE_CHECKING:
    from pydantic import BaseModel

FILE_NAME = ".migrator.yaml"


def find_policy(start: Path) -> Path | None:
    """Find the nearest policy file up the tree from a folder."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        project = folder / "pyproject.toml"
        if project.is_file() and _read_project(project) is not None:
            return project
    return None


def _read_project(path: Path) -> Any:
    content = path.read_text(encoding="utf-8", errors="replace")
    if "[tool.migrator" not in content:
        return None
    import tomllib

    try:
        return tomllib.loads(content).get("tool", {}).get("migrator")
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(path), f"not TOML: {error}", hint="correct it, or give --policy") from None


def load_policy(path: Path | None, settings: Sequence[str] = (), server_version: str | None = None) -> Policy:
    """Load a policy file, None for the built-in one, with `--set key=value` on top.

    `server_version` is the version of the cluster that is read; it holds where neither says one.
    Raises InputError or PolicyError for anything that is not known, naming the nearest right key.
    """
    if path is None and not settings and server_version is None:
        return built_in_policy()
    document: Any = {}
    text, root = "", None
    if path is not None:
        document, text, root = _read_document(path)
    checked = _check_document(document, path, text, root)
    if settings:
        # What the file says is right by now, so whatever is wrong is a setting.
        for setting in settings:
            _set_value(document, setting)
        checked = _check_document(document, None, "", None)
    if server_version is not None:
        document["spec"] = document.get("spec") or {}
        cluster = document["spec"].setdefault("cluster", {})
        cluster.setdefault("kubernetesVersion", server_version)
        checked = _check_document(document, None, "", None)
    return _make_policy(checked, path)


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Make a policy from its plain data, as a plan file holds it."""
    return _make_policy(_check_document(document, None, "", None), None)


@cache
def built_in_policy() -> Policy:
    """Give the policy that holds where nobody says otherwise."""
    return _make_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": {}}, None)


def _read_document(path: Path) -> tuple[Any, str, Node | None]:
    name = str(path)
    if path.name == "pyproject.toml":
        spec = _read_project(path)
        return {"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": spec}, "", None
    try:
        text = path.read_text(encoding="utf-8")
        root = compose(text)
        document = construct(root) if root is not None else {}
    except OSError as error:
        raise InputError(name, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise InputError(name, "not UTF-8 text", hint="save the policy as UTF-8") from None
    except TextError as error:
        line = line_of(text, error.index)
        raise InputError(name, error.problem, line=line, column=column_of(text, error.index)) from None
    if not isinstance(document, dict):
        raise InputError(name, "a policy is a map with apiVersion, kind and spec", line=1)
    return document, text, root


def _set_value(document: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    if not separator or not key:
        raise PolicyError(f"--set {setting}: write it as key=value, such as cluster.kubernetesVersion=1.34")
    try:
        path = parse_path(key)
        node = compose(text)
        value = construct(node) if node is not None else None
    except (ValueError, TextError) as error:
        raise PolicyError(f"--set {setting}: {error}") from None
    # 1.34 is a version, not a number, wherever a version is asked for.
    if path[-1] == "kubernetesVersion" and isinstance(value, float):
        value = text.strip()
    target: Any = document.setdefault("spec", {})
    for step in path[:-1]:
        if not isinstance(target, dict) or not isinstance(step, str):
            raise PolicyError(f"--set {setting}: {key} is no path of keys")
        target = target.setdefault(step, {})
    if not isinstance(target, dict):
        raise PolicyError(f"--set {setting}: {key} is no path of keys")
    target[path[-1]] = value


def _check_document(document: Any, path: Path | None, text: str, root: Node | None) -> dict[str, Any]:
    from pydantic import ValidationError

    from migrator.policy.schema import MigrationPolicy

    try:
        form = MigrationPolicy.model_validate(document)
    except ValidationError as error:
        detail = error.errors()[0]
        where: FieldPath = tuple(step for step in detail["loc"] if not _is_branch(step))
        message = _say_problem(MigrationPolicy, where, detail)
        if path is None:
            raise PolicyError(f"policy: {message}") from None
        if root is None:
            raise InputError(str(path), message) from None
        index = find_nearest(root, where).start_mark.index
        raise InputError(str(path), message, line=line_of(text, index), column=column_of(text, index)) from None
    return form.model_dump(by_alias=True, exclude_none=True, exclude_defaults=False)


def _is_branch(step: str | int) -> bool:
    """Tell the names that pydantic gives to the branches of a union from keys."""
    return isinstance(step, str) and (step in ("str", "int", "bool") or "[" in step)


def _say_problem(form: type[BaseModel], where: FieldPath, detail: Any) -> str:
    name = format_path(where)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(form, where[:-1])
        nearest = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
        hint = f"; did you mean `{nearest[0]}`?" if nearest else f"; known here: {', '.join(known)}"
        return f"unknown key `{name}`{hint}"
    if detail["type"] == "missing":
        return f"`{name}` is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"`{name}`: {message[:1].lower()}{message[1:]}"


def _known_keys(form: type[BaseModel], where: FieldPath) -> list[str]:
    from typing import get_args

    from pydantic import BaseModel as Base

    current: type[BaseModel] = form
    for step in where:
        if isinstance(step, int):
            continue
        field = next((field for name, field in current.model_fields.items() if step in (name, field.alias)), None)
        if field is None:
            break
        queue: list[Any] = [field.annotation]
        while queue:
            candidate = queue.pop()
            if isinstance(candidate, type) and issubclass(candidate, Base):
                current = candidate
                break
            queue.extend(get_args(candidate))
    return [field.alias or name for name, field in current.model_fields.items()]


def _make_policy(document: dict[str, Any], path: Path | None) -> Policy:
    spec = document.get("spec") or {}
    cluster = spec.get("cluster", {})
    low, _, high = str(cluster.get("nodePortRange", "30000-32767")).partition("-")
    _, minor, *_ = str(cluster.get("kubernetesVersion", "1.34")).lstrip("v").split("+")[0].split(".")
    exclude = spec.get("exclude", {})
    user_rows = tuple(_make_user_row(index, row) for index, row in enumerate(spec.get("hostPorts", ())))
    kinds = tuple(
        WorkloadKind(group, row["kind"], parse_path(row["template"]))
        for row in spec.get("workloadKinds", ())
        for group in row["apiGroups"]
    )
    return Policy(
        cluster=Cluster(
            version=(1, int(minor.split("-")[0])),
            node_ports=(int(low), int(high)),
            used_node_ports=frozenset(cluster.get("usedNodePorts", ())),
            load_balancer=bool(cluster.get("loadBalancer", False)),
            pod_security_policy_admission=cluster.get("podSecurityPolicyAdmission") != "off",
        ),
        client_addresses=spec.get("clientAddresses", "needed"),
        host_ports=user_rows,
        pod_security=_make_pod_security(spec.get("podSecurity", {})),
        residue=spec.get("podSecurityPolicy", {}).get("residue", "admission"),
        workload_kinds=built_in_workload_kinds() + kinds,
        rancher=spec.get("rancher", {}),
        exclude_paths=tuple(exclude.get("paths", ())),
        exclude_namespaces=frozenset(exclude.get("namespaces", ())),
        secret_words=frozenset(word.lower() for word in spec.get("secretWords", ())),
        document=document,
        path=display_path(str(path)) if path is not None else None,
    )


def _make_pod_security(form: Mapping[str, Any]) -> PodSecurityPolicyData:
    exempt = form.get("exempt", {})
    complete = form.get("complete", False)
    return PodSecurityPolicyData(
        version=form.get("version"),
        complete=complete if isinstance(complete, bool) else frozenset(complete),
        harden=form.get("harden", "none"),
        create_namespaces=bool(form.get("createNamespaces", False)),
        exempt_namespaces=frozenset(exempt.get("namespaces", load_table("rules/pod_security.yaml")["exempt"])),
        exempt_users=frozenset(exempt.get("users", ())),
        exempt_runtime_classes=frozenset(exempt.get("runtimeClasses", ())),
        non_root_images=tuple(form.get("nonRootImages", ())),
    )


_OPTIONS = ("nodePort", "externalTrafficPolicy", "spread")


def _make_user_row(index: int, row: Mapping[str, Any]) -> DecisionRow:
    return DecisionRow(
        id=f"policy-{index + 1}",
        strategy=row["strategy"],
        match=row.get("match", {}),
        options={key: row[key] for key in _OPTIONS if row.get(key) is not None},
        because=row["because"],
    )


@cache
def built_in_rows() -> tuple[DecisionRow, ...]:
    """Give the built-in decision table for host ports."""
    return tuple(_make_rows(load_table("rules/host_port.yaml")["strategy"]))


def _make_rows(table: Sequence[Mapping[str, Any]]) -> Iterator[DecisionRow]:
    for row in table:
        yield DecisionRow(
            id=row["id"],
            strategy=row["strategy"],
            match=row["match"],
            options=row.get("options", {}),
            because=row["because"],
            considered=tuple(Alternative(item["strategy"], item["because"]) for item in row.get("considered", ())),
            caveats=tuple(row.get("caveats", ())),
            sources=tuple(row.get("sources", ())),
            row=row.get("row"),
            finding=row.get("finding"),
        )

"""A plan file, edited and given back: what is followed, and what is refused rather than passed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import InputError, MigratorError, PolicyError
from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.model.selection import EVERYTHING
from migrator.planning.document import describe_plan
from migrator.planning.find import is_plan_file
from migrator.planning.plan import Overrides, plan_changes
from migrator.planning.plan_file import load_plan_file, read_port_map, refuse_stale, restore_plan
from migrator.policy.load import built_in_policy
from migrator.rendering.render import render_plan
from migrator.review.document import write_document
from migrator.sources.read import ReadOptions, read_sources
from migrator.templates import render_object

DEPLOYMENT = """\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
  namespace: shop
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: main
          image: example.com/app:1.0
          ports:
            - name: http
              containerPort: 8080
              hostPort: {port}
"""
Edit = Callable[[dict[str, Any]], None]


def read(folder: Path) -> Inventory:
    return read_sources([str(folder / "deploy")], ReadOptions(kinds=built_in_policy().workload_kinds))


def write(folder: Path, *files: tuple[str, int, str, int]) -> Inventory:
    (folder / "deploy").mkdir(exist_ok=True)
    for name, port, kind, replicas in files:
        text = DEPLOYMENT.format(name=name, port=port, kind=kind, replicas=replicas)
        (folder / "deploy" / f"{name}.yaml").write_text(text)
    return read(folder)


def save(folder: Path, plan: Plan, edit: Edit | None = None, form: str = "json") -> str:
    document = json.loads(write_document(describe_plan(plan), "json"))
    if edit is not None:
        edit(document)
    path = folder / f"plan.{form}"
    path.write_text(write_document(document, form))
    return str(path)


def give_back(
    folder: Path, inventory: Inventory, edit: Edit | None = None, form: str = "json", phase: str = "all"
) -> Plan:
    plan = plan_changes(inventory, built_in_policy())
    plan_file = load_plan_file(save(folder, plan, edit, form))
    refuse_stale(plan_file, inventory)
    return restore_plan(plan_file, inventory, phase, EVERYTHING)


def created(plan: Plan) -> dict[str, Any]:
    from migrator.yaml.data import construct
    from migrator.yaml.nodes import compose

    return {
        change.resource.name: construct(compose(render_object(change.new)))  # type: ignore[arg-type]
        for change in plan.changes
        if change.new is not None
    }


def drop(*indexes: int) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["changes"] = [item for index, item in enumerate(document["changes"]) if index not in indexes]

    return edit


def drop_if(wanted: Callable[[dict[str, Any]], bool]) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["changes"] = [item for item in document["changes"] if not wanted(item)]

    return edit


def about(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda change: bool(change["workload"]["name"] == name)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_unedited_plan_is_the_same_plan(form: str, tmp_path: Path) -> None:
    inventory = write(
        tmp_path, ("web", 80, "Deployment", 3), ("db", 92, "StatefulSet", 2), ("big", 9000, "Deployment", 1)
    )
    plan = plan_changes(inventory, built_in_policy())
    again = give_back(tmp_path, inventory, form=form)
    assert (again.changes, again.port_map) == (plan.changes, plan.port_map)
    assert is_plan_file(str(tmp_path / f"plan.{form}"))


def test_a_manifest_is_no_plan_file(tmp_path: Path) -> None:
    write(tmp_path, ("web", 80, "Deployment", 1))
    assert not is_plan_file(str(tmp_path / "deploy" / "web.yaml"))
    assert not is_plan_file(str(tmp_path / "missing.yaml"))


def test_a_workload_that_is_dropped_whole_stays_as_it_is(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1), ("api", 81, "Deployment", 1))
    plan = give_back(tmp_path, inventory, drop_if(about("web")))
    assert {change.workload.name for change in plan.changes} == {"api"}
    assert [change.path for change in render_plan(plan, inventory.files) if "web" in change.path] == []


def test_dropping_the_service_but_not_the_removal_is_refused(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1))
    with pytest.raises(PolicyError, match="was taken out, but host port 80 of shop/Deployment/web would still go"):
        give_back(tmp_path, inventory, drop_if(lambda change: change["action"] == "create"))


def test_dropping_the_extension_but_not_the_removal_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ("web", 80, "Deployment", 1))
    service = (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector:\n    app: web\n"
    )
    (tmp_path / "deploy" / "service.yaml").write_text(f"{service}  ports:\n    - port: 80\n      targetPort: http\n")
    with pytest.raises(PolicyError, match="shop/Service/web was taken out"):
        give_back(tmp_path, read(tmp_path), drop_if(lambda change: change["resourceRef"]["kind"] == "Service"))


def test_dropping_the_removal_but_not_the_service_is_taken(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1))
    plan = give_back(tmp_path, inventory, drop_if(lambda change: change["field"]["path"].endswith("hostPort")))
    assert [change.action for change in plan.changes] == ["create"]


def test_dropping_the_removal_of_a_number_that_its_service_takes_is_refused(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 30080, "Deployment", 1))
    with pytest.raises(PolicyError, match="stayed in, but shop/Service/web-node-port would have the same number"):
        give_back(tmp_path, inventory, drop_if(lambda change: change["field"]["path"].endswith("hostPort")))


def set_strategy(strategy: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["changes"][0]["strategy"] = strategy

    return edit


def test_another_strategy_is_planned_anew(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 3))
    plan = give_back(tmp_path, inventory, set_strategy("load_balancer"))
    assert created(plan)["web-load-balancer"]["spec"]["type"] == "LoadBalancer"
    assert {change.strategy for change in plan.changes} == {"load_balancer"}


def test_keep_can_be_chosen_and_left(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 3))
    assert [change.action for change in give_back(tmp_path, inventory, set_strategy("keep")).changes] == ["keep"]
    path = tmp_path / "deploy" / "web.yaml"
    path.write_text(path.read_text().replace("hostPort: 80", "hostPort: 80\n              hostIP: 10.0.0.7"))
    plan = give_back(tmp_path, read(tmp_path), set_strategy("node_port"))
    spec = created(plan)["web-node-port"]["spec"]
    assert (spec["externalTrafficPolicy"], spec["ports"][0]["nodePort"]) == ("Local", 30080)
    assert {change.strategy for change in plan.changes} == {"node_port", "anti_affinity"}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("nodeport", "strategy 'nodeport' for shop/Deployment/web is not known"),
        ("node_port_per_pod", "only the pods of a StatefulSet have lasting names"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused(strategy: str, message: str, tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 3))
    with pytest.raises(MigratorError, match=message):
        give_back(tmp_path, inventory, set_strategy(strategy))


def set_number(number: Any, index: int = 0) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["portMap"][index]["new"]["nodePort"] = number

    return edit


def set_service_number(number: Any) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        change = next(item for item in document["changes"] if item["action"] == "create")
        change["field"]["proposedValue"]["spec"]["ports"][0]["nodePort"] = number

    return edit


@pytest.mark.parametrize("edit", [set_number(31999), set_service_number(31999)])
@pytest.mark.parametrize("port", [80, 9000, 30080])
def test_a_number_is_taken_wherever_it_was_fixed(port: int, edit: Edit, tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", port, "Deployment", 1))
    plan = give_back(tmp_path, inventory, edit)
    assert created(plan)["web-node-port"]["spec"]["ports"][0]["nodePort"] == 31999
    assert plan.port_map[0].node_port == 31999


def test_members_are_renumbered_together(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("db", 92, "StatefulSet", 2))

    def edit(document: dict[str, Any]) -> None:
        for number, entry in enumerate(document["portMap"]):
            entry["new"]["nodePort"] = 31000 + number

    assert [entry.node_port for entry in give_back(tmp_path, inventory, edit).port_map] == [31000, 31001]
    with pytest.raises(InputError, match="do not follow each other"):
        give_back(tmp_path, inventory, set_number(31500, index=1))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_number(80), "outside of cluster.nodePortRange"),
        (set_number("30080"), "is no port number"),
        (set_number(None), "is not planned with node port None"),
        (set_number(30081), "taken by|given to host port"),
    ],
)
def test_numbers_that_cannot_be_are_refused(edit: Edit, message: str, tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1), ("zoo", 81, "Deployment", 1))
    (tmp_path / "deploy" / "taken.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: taken, namespace: shop}\n"
        "spec: {type: NodePort, selector: {a: b}, ports: [{port: 1, nodePort: 30081}]}\n"
    )
    inventory = read(tmp_path)
    with pytest.raises(MigratorError, match=message):
        give_back(tmp_path, inventory, edit)


def edit_labels(document: dict[str, Any]) -> None:
    next(item for item in document["changes"] if item["action"] == "create")["field"]["proposedValue"]["spec"][
        "type"
    ] = "LoadBalancer"


def add_change(document: dict[str, Any]) -> None:
    document["changes"].append({**document["changes"][-1], "field": {"path": "spec.replicas", "proposedValue": 5}})


@pytest.mark.parametrize(
    ("edit", "message"),
    [(edit_labels, "the new object was edited"), (add_change, "is not one that was planned")],
)
def test_other_edits_are_refused_not_passed_over(edit: Edit, message: str, tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1))
    with pytest.raises(InputError, match=message):
        give_back(tmp_path, inventory, edit)


def test_words_may_be_edited(tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1))

    def edit(document: dict[str, Any]) -> None:
        document["changes"][0]["message"] = "agreed on in the review"
        document["changes"][0]["caveats"] = []

    assert len(give_back(tmp_path, inventory, edit).changes) == 2


def change_file(folder: Path) -> None:
    path = folder / "deploy" / "web.yaml"
    path.write_text(path.read_text() + "# later\n")


def add_file(folder: Path) -> None:
    (folder / "deploy" / "new.yaml").write_text("# nothing\n")


def remove_file(folder: Path) -> None:
    (folder / "deploy" / "web.yaml").unlink()


@pytest.mark.parametrize(
    ("happens", "message"),
    [(change_file, "web.yaml: has changed"), (add_file, "new.yaml: is new"), (remove_file, "web.yaml: is gone")],
)
def test_stale_inputs_are_refused_by_name(happens: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    plan = plan_changes(write(tmp_path, ("web", 80, "Deployment", 1)), built_in_policy())
    plan_file = load_plan_file(save(tmp_path, plan))
    refuse_stale(plan_file, read(tmp_path))
    happens(tmp_path)
    with pytest.raises(InputError, match=message):
        refuse_stale(plan_file, read(tmp_path))


@pytest.mark.parametrize(
    ("version", "message"), [("2.0", "formatVersion 2.0"), ("", "formatVersion missing"), ("1.7", "")]
)
def test_another_major_format_is_refused(version: str, message: str, tmp_path: Path) -> None:
    plan = plan_changes(write(tmp_path, ("web", 80, "Deployment", 1)), built_in_policy())

    def edit(document: dict[str, Any]) -> None:
        document["formatVersion"] = version

    path = save(tmp_path, plan, edit)
    if not message:
        assert load_plan_file(path).document["formatVersion"] == version
        return
    with pytest.raises(InputError, match=message):
        load_plan_file(path)


@pytest.mark.parametrize("key", ["changes", "portMap", "inputs", "sources"])
def test_a_plan_that_lacks_a_part_is_refused(key: str, tmp_path: Path) -> None:
    plan = plan_changes(write(tmp_path, ("web", 80, "Deployment", 1)), built_in_policy())
    path = save(tmp_path, plan, lambda document: document.pop(key))
    with pytest.raises(InputError, match=f"`{key}` is missing"):
        load_plan_file(path)


@pytest.mark.parametrize("text", ['{"formatVersion": ', "formatVersion: [", "- 1\n"])
def test_what_is_no_plan_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InputError):
        load_plan_file(str(path))


def test_an_earlier_plan_keeps_its_numbers(tmp_path: Path) -> None:
    write(tmp_path, ("web", 80, "Deployment", 1), ("db", 92, "StatefulSet", 2))
    path = save(tmp_path, plan_changes(read(tmp_path), built_in_policy()))
    inventory = write(tmp_path, ("a-first-one", 80, "Deployment", 1))
    without = {e.resource.name: e.node_port for e in plan_changes(inventory, built_in_policy()).port_map}
    overrides = Overrides(node_ports=read_port_map(path))
    kept = {
        e.pod or e.resource.name: e.node_port
        for e in plan_changes(inventory, built_in_policy(), overrides=overrides).port_map
    }
    assert (without["a-first-one"], without["web"]) == (30080, 30081)
    assert kept == {"a-first-one": 30081, "web": 30080, "db-0": 30092, "db-1": 30093}


@pytest.mark.parametrize("phase", ["expand", "all"])
def test_phases_of_a_plan_file(phase: str, tmp_path: Path) -> None:
    inventory = write(tmp_path, ("web", 80, "Deployment", 1))
    phases = {change.phase for change in give_back(tmp_path, inventory, phase=phase).changes}
    assert phases == ({"expand"} if phase == "expand" else {"expand", "contract"})
    with pytest.raises(PolicyError, match="contract before expand"):
        give_back(tmp_path, inventory, phase="contract")

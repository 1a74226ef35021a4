from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.sources.rancher import Stack, find_stacks, read_stack

Read = Callable[..., Stack]
WriteStack = Callable[..., Path]


def test_stacks_are_found_by_their_file_names(tmp_path: Path) -> None:
    for name in ("b/docker-compose.yml", "a/docker-compose.yml.tpl", "a/rancher-compose.yml", "c/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    found = find_stacks(tmp_path)
    assert [(stack.name, stack.docker_compose.name, stack.rancher_compose is not None) for stack in found] == [
        ("a", "docker-compose.yml.tpl", True),
        ("b", "docker-compose.yml", False),
    ]


def test_catalog_versions_are_named_after_their_template_in_order(tmp_path: Path) -> None:
    for version in ("10", "2"):
        folder = tmp_path / "templates" / "redis" / version
        folder.mkdir(parents=True)
        (folder / "docker-compose.yml").write_text("", encoding="utf-8")
    assert [(stack.name, stack.version) for stack in find_stacks(tmp_path)] == [("redis", "2"), ("redis", "10")]


@pytest.mark.parametrize("name", ["deployment.yaml", "rancher-compose.yml", "compose.txt"])
def test_a_folder_without_compose_files_holds_no_stack(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a: 1", encoding="utf-8")
    assert find_stacks(tmp_path) == ()
    assert find_stacks(tmp_path / name) == ()


def test_format_1_and_2_are_merged_and_know_their_lines(read: Read) -> None:
    stack = read(
        """\
        web:
          image: nginx
          labels:
            one: a
        """,
        """\
        version: '2'
        services:
          web:
            scale: 3
            labels:
              two: b
        """,
    )
    web = stack.services[0]
    assert web.get("scale") == 3
    assert web.labels() == {"one": "a", "two": "b"}
    scale = web.origin_of("scale")
    assert (Path(scale.file).name, scale.path, scale.line) == ("rancher-compose.yml", ("services", "web", "scale"), 4)
    assert web.label_origin("two").line == 6
    assert web.label_origin("one").line == 4


def test_lines_are_those_of_the_template(read: Read) -> None:
    stack = read(
        """\
        web:
          image: nginx
        {{- if eq .Values.tls "true" }}
          ports:
            - 443:443
        {{- end }}
          tty: true
        """,
        template=True,
        answers={"tls": "false"},
    )
    assert stack.services[0].get("ports") is None
    assert stack.services[0].origin_of("tty").line == 7


def test_yaml_booleans_are_those_of_cattle_s_parser(read: Read) -> None:
    web = read("web: {image: nginx, tty: yes, environment: {A: on, B: 'on', C: 010, D: 1.50}}\n").services[0]
    assert web.get("tty") is True
    assert {pair.name: pair.value for pair in web.pairs("environment")} == {
        "A": "true",
        "B": "on",
        "C": "8",
        "D": "1.5",
    }


def test_unset_variables_become_blank_with_a_warning(read: Read) -> None:
    stack = read("web:\n  image: nginx\n  command: run $WHAT\n")
    assert stack.services[0].get("command") == "run "
    assert [(warning.message, warning.origin.line) for warning in stack.warnings] == [
        ("The WHAT variable is not set. Substituting a blank string.", 3)
    ]


def test_a_plain_file_is_not_templated(read: Read) -> None:
    assert read("web: {image: nginx, command: 'name %{{service_name}}'}\n").services[0].get("command") == (
        "name %{{service_name}}"
    )


def test_extends_merges_a_service_of_another_file(read: Read) -> None:
    stack = read(
        """\
        web:
          extends: {file: base.yml, service: base}
          ports: ["80:80"]
          environment: {B: two}
        """,
        **{"base.yml": "base:\n  image: nginx\n  ports: ['81:81']\n  environment: {A: one, B: one}\nc: {image: x}\n"},
    )
    web = stack.services[0]
    assert (web.name, web.text("image"), web.get("ports")) == ("web", "nginx", ["81:81", "80:80"])
    assert {pair.name: pair.value for pair in web.pairs("environment")} == {"A": "one", "B": "two"}
    assert Path(web.origin_of("ports", 0).file).name == "base.yml"
    assert Path(web.origin_of("ports", 1).file).name == "docker-compose.yml"


def test_env_files_fill_in_what_environment_leaves_open(read: Read) -> None:
    web = read(
        "web: {image: nginx, env_file: [one.env, two.env], environment: {A: own}}\n",
        **{"one.env": "A=one\nB=one\nC=one\n", "two.env": "# note\nB=two\n"},
    ).services[0]
    assert {pair.name: pair.value for pair in web.pairs("environment")} == {"A": "own", "B": "two", "C": "one"}


@pytest.mark.parametrize(
    ("docker", "line", "problem"),
    [
        ("web:\n  image: nginx\n  ports: 80:80\n", 3, "key 'ports' contains an invalid type, it should be an array"),
        ("web:\n  image: nginx\n  links: 3\n", 3, "key 'links' contains an invalid type"),
        ("web:\n  image: ${A:-b}\n", 2, 'Invalid interpolation format for key "image"'),
        ("web: nginx\n", 1, "doesn't have any configuration options"),
        ("- web\n", 1, "Top level object must be a mapping"),
        ("version: '3'\nservices: {}\n", 1, "Unsupported compose file version: 3"),
        ("a: {image: [}\n", 1, "not YAML"),
        ("a:\n  extends: {service: b}\n", 2, "Failed to find service b to extend"),
        ("a:\n  extends:\n    service: b\n", 3, "Failed to parse service a: Failed to find service b to extend"),
        ("a:\n  extends: {service: b}\nb:\n  extends: {service: a}\n", 4, "service b: Circular reference: service a"),
        ("a:\n  extends: {service: b}\nb: {image: x, links: [c]}\n", 2, "services with 'links' cannot be extended"),
        ("a:\n  extends:\n    service: b\n    file: none.yml\n", 4, "service a: Failed to lookup file none.yml"),
        ("a:\n  image: x\n  env_file: /etc/hostname\n", 3, "Couldn't find env file: /etc/hostname"),
        (f"a:\n  image: x\n  env_file: {'n' * 300}\n", 3, "Couldn't find env file"),
        ("a:\n  image: x\n  env_file: none.env\n", 3, "Couldn't find env file: none.env"),
    ],
)
def test_bad_files_are_refused_at_their_line(read: Read, docker: str, line: int, problem: str) -> None:
    with pytest.raises(InputError) as refusal:
        read(docker)
    assert problem in refusal.value.problem
    assert refusal.value.line == line


@pytest.mark.parametrize(
    ("base", "place", "problem", "hint"),
    [
        ("other: {image: x}\n", "docker-compose.yml:5", "Failed to find service base in file base.yml", "base.yml"),
        (
            "other: {image: x}\nbase:\n  image: x\n  volumes_from:\n  - other\n",
            "docker-compose.yml:5",
            "Cannot extend service 'base' in base.yml: services with 'volumes_from' cannot be extended",
            "base.yml:4",
        ),
        ("base:\n  extends:\n    service: gone\n", "base.yml:3", "Failed to find service gone to extend", "base.yml"),
    ],
)
def test_a_bad_extension_names_both_places(read: Read, base: str, place: str, problem: str, hint: str) -> None:
    docker = "web:\n  image: x\n  extends:\n    file: base.yml\n    service: base\n"
    with pytest.raises(InputError) as refusal:
        read(docker, **{"base.yml": base})
    error = refusal.value
    assert (f"{Path(error.path).name}:{error.line}", problem in error.problem) == (place, True), error
    assert hint in error.hint


@pytest.mark.parametrize(
    ("environment", "shown"),
    [("{DB_PASSWORD: 'ab$1'}", False), ("['DB_PASSWORD=ab$1']", False), ("{NOTE: 'ab$1'}", True)],
)
def test_a_secret_does_not_show_in_an_error(read: Read, environment: str, shown: bool) -> None:
    with pytest.raises(InputError) as refusal:
        read(f"web: {{image: x, environment: {environment}}}\n")
    assert ("ab$1" in str(refusal.value)) is shown


def test_a_template_that_go_rejects_is_refused_at_its_line(read: Read) -> None:
    with pytest.raises(InputError) as refusal:
        read("web:\n  image: nginx\n{{ if }}\n", template=True)
    assert (refusal.value.line, refusal.value.problem) == (3, "template: missing value for if")


def test_required_questions_without_answers_are_all_named(write_stack: WriteStack) -> None:
    folder = write_stack(
        "web: {image: '$IMAGE'}\n",
        """\
        .catalog:
          questions:
            - {variable: IMAGE, required: true}
            - {variable: TOKEN, required: true}
            - {variable: NOTE, default: hello}
        """,
    )
    with pytest.raises(InputError, match="no answer for IMAGE, TOKEN") as refused:
        read_stack(find_stacks(folder)[0], {}, None)
    assert refused.value.line == 3
    stack = read_stack(find_stacks(folder)[0], {"IMAGE": "nginx", "TOKEN": "t"}, "other")
    assert (stack.name, stack.services[0].text("image")) == ("other", "nginx")


def test_keys_given_twice_count_last(read: Read) -> None:
    stack = read("web:\n  image: one\n  image: two\n")
    assert stack.services[0].text("image") == "two"
    assert stack.services[0].origin_of("image").line == 3
    assert [key.line for key in stack.files[0].duplicates] == [2]


def test_questions_of_a_templated_rancher_compose_are_found_once_it_is_rendered(write_stack: WriteStack) -> None:
    folder = write_stack("web: {image: '$IMAGE'}\n")
    (folder / "rancher-compose.yml.tpl").write_text(
        '{{- if ne .Values.x "y" }}\n.catalog:\n  questions: [{variable: IMAGE, default: nginx}]\n{{- end }}\n',
        encoding="utf-8",
    )
    assert read_stack(find_stacks(folder)[0], {}, None).services[0].text("image") == "nginx"

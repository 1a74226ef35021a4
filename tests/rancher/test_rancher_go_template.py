from __future__ import annotations

from typing import Any

import pytest

from migrator.sources.rancher.go_template import Strings, Struct, TemplateError, has_templating, render

DATA: dict[str, Any] = {
    "Values": Strings({"on": "true", "off": "", "list": "a,b,c", "count": "3", "words": "x 'y z' w"}),
    "Stack": Struct("*catalog.TemplateVersion", {"Name": "shop"}),
    "Map": {"b": 2, "a": 1},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no template", "no template"),
        ("{ not { one } }", "{ not { one } }"),
        ("{{ .Values.on }}", "true"),
        ("{{ .Values.missing }}|", "|"),
        ("{{.Stack.Name}}", "shop"),
        ("a {{- .Values.on -}} b", "atrueb"),
        ("a {{/* a\ncomment */}}b", "a b"),
        ("a {{- /* trimmed */ -}} b", "ab"),
        ("{{if .Values.on}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Values.off}}yes{{else}}no{{end}}", "no"),
        ('{{if eq .Values.on "x" "true"}}yes{{end}}', "yes"),
        ('{{if eq .Values.on "x"}}1{{else if eq .Values.count "3"}}2{{else}}3{{end}}', "2"),
        ('{{if and (ne .Values.on "x") (not .Values.off)}}yes{{end}}', "yes"),
        ("{{or .Values.off .Values.on}}", "true"),
        ('{{range $i, $v := split "," .Values.list}}{{$i}}={{$v}};{{end}}', "_0=a;_1=b;_2=c;"),
        ('{{range splitList "," .Values.list}}{{.}}{{$.Stack.Name}}{{end}}', "ashopbshopcshop"),
        ("{{range $k, $v := .Map}}{{$k}}{{$v}}{{end}}", "a1b2"),
        ("{{range until 0}}x{{else}}none{{end}}", "none"),
        ("{{range $i := until (atoi .Values.count)}}{{$i}}{{end}}", "012"),
        ("{{with .Values.on}}{{.}}{{else}}no{{end}}", "true"),
        ("{{$x := 1}}{{if .Values.on}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if .Values.on}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ('{{printf "%s-%03d %q %v %%" .Values.on 7 "q" true}}', 'true-007 "q" true %'),
        ('{{printf "%d" "x"}}', "%!d(string=x)"),
        ('{{printf "%.1s|%.s|%4.2v|%-3.1s|%.9s" "/data" "x" "abc" "abc" "ab"}}', "/||  ab|a  |ab"),
        ('{{if (ne .Values.on "true") and .Values.on}}yes{{else}}no{{end}}', "no"),
        ('{{if (eq .Values.on "true") and .Values.off}}yes{{else}}no{{end}}', "yes"),
        ('{{.Values.on | upper | printf "%s!"}}', "TRUE!"),
        ('{{len .Values.list}} {{index .Map "b"}}', "5 2"),
        ("{{lt 1 2}} {{ge 2 2}}", "true true"),
        ('{{contains "ru" .Values.on}}', "true"),
        ('{{default "d" .Values.off}} {{.Values.on | default "d"}}', "d true"),
        ("{{range splitPreserveQuotes .Values.words}}[{{.}}]{{end}}", "[x]['y z'][w]"),
        ("{{`raw \\n`}}", "raw \\n"),
        ('{{"a\\tb"}}', "a\tb"),
    ],
)
def test_templates_render_as_in_go(template: str, expected: str) -> None:
    assert render(template, DATA).text == expected


@pytest.mark.parametrize(
    ("template", "line", "problem"),
    [
        ("a\n{{ if }}", 2, "missing value for if"),
        ("a\n\n{{ .X ", 3, "unclosed action"),
        ("{{if 1}}\nx", 2, "unexpected EOF"),
        ("{{end}}", 1, "unexpected {{end}}"),
        ("{{else}}", 1, "unexpected {{else}}"),
        ("x\n%{{service_name}}", 2, 'function "service_name" not defined'),
        ("{{$x}}", 1, 'undefined variable "$x"'),
        ('{{ eq 1 "1" }}', 1, "error calling eq: incompatible types for comparison"),
        ("{{ .Stack.Nope }}", 1, "can't evaluate field Nope in type *catalog.TemplateVersion"),
        ("{{ .Stack.Name.More }}", 1, "can't evaluate field More in type string"),
        ('{{ "open }}', 1, "unterminated quoted string"),
        ("{{ (1 }}", 1, "unclosed left paren"),
        ("{{ 1) }}", 1, "unexpected right paren"),
        ("{{ 1 | 2 }}", 1, "non executable command in pipeline stage 2"),
        ("{{ index .Map }}{{ div 1 0 }}", 1, "integer divide by zero"),
        ("{{ upper 3 }}", 1, "wrong number or type of args for upper"),
        ('{{ template "x" }}', 1, "beyond what catalog templates use"),
    ],
)
def test_errors_carry_line_and_gos_words(template: str, line: int, problem: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(template, DATA)
    assert (error.value.line, problem in error.value.problem) == (line, True), error.value.problem


@pytest.mark.parametrize(
    "template",
    [
        '{{ env "HOME" }}',
        '{{ expandenv "$HOME" }}',
        "{{ now }}",
        "{{ randAlphaNum 8 }}",
        '{{ genPrivateKey "rsa" }}',
        "{{ range until 1000000 }}{{ end }}",
        "{{ range until 1000 }}{{ range until 1000 }}x{{ end }}{{ end }}",
        '{{ repeat 1000000000 "x" }}',
        "{{ .Values.__class__.mro }}",
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
    ],
)
def test_nothing_reaches_outside_or_runs_on(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, DATA)


def test_rendered_lines_know_the_templates() -> None:
    rendered = render("a:\n{{- if .Values.on }}\n  b: 1\n{{- end }}\n\n{{ range until 2 }}c\n{{ end }}d", DATA)
    assert rendered.text == "a:\n  b: 1\n\nc\nc\nd"
    assert [rendered.origin(line) for line in (1, 2, 4, 5, 6)] == [1, 3, 6, 6, 7]


def test_templating_can_be_switched_off() -> None:
    assert not has_templating("# notemplating\na: {{")
    assert not has_templating("\n#notemplating")
    assert has_templating("a: 1 # notemplating")

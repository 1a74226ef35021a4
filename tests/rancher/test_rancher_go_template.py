from __future__ import annotations

from typing import Any

import pytest

from migrator.sources.rancher.go_template import TemplateError, has_templating, render
from migrator.sources.rancher.go_values import Strings, Struct

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
    ("template", "expected"),
    [
        ('{{ title "don\'t a-b a_b é–b ß" }}', "Don'T A-B A_b É–b ß"),
        ('{{ untitle "A-B  Cd Ef" }} {{ initials "Ab cd  Ef" }} {{ swapcase "aB" }}', "a-B  cd ef AcE Ab"),
        ('{{ quote nil "a\\"b\\n\\x01é" 3 }} {{ squote nil "a" }}', '"<nil>" "a\\"b\\n\\x01é" "3" \'<nil>\' \'a\''),
        ('{{ print 1 2 "a" 3 4 }}|{{ cat nil "a" 3 }}', "1 2a3 4|<nil> a 3"),
        ('{{ trunc 3 "äöü" }}|{{ substr 1 -1 "abc" }}|{{ abbrev 5 "hello world" }}', "ä\ufffd|bc|he..."),
        ('{{ atoi "0x10" }} {{ atoi " 5" }} {{ atoi "+5" }} {{ atoi "1_0" }} {{ int 3.9 }}', "0 0 5 0 3"),
        ('{{ int64 "9223372036854775808" }} {{ add 9223372036854775807 1 }}', "0 -9223372036854775808"),
        ('{{ add 1 "2" 3.7 }} {{ div 7 -2 }} {{ mod -7 3 }} {{ max 1 5 "7" }}', "6 -3 -1 7"),
        ("{{ round 3.14159 2 }} {{ ceil 1.2 }} {{ floor -1.2 }}", "3.14 2 -2"),
        ("{{ until -3 }} {{ untilStep 10 0 -4 }} {{ untilStep 0 3 -1 }}", "[0 -1 -2] [10 6 2] []"),
        (
            '{{ uniq (list 1 "1" 1 true) }} {{ without (list 1 2 3) 2 }} {{ has "1" (list 1) }}',
            "[1 1 true] [1 3] false",
        ),
        ('{{ compact (list 1 "" nil 0 "a") }} {{ prepend (list 1) 2 }} {{ append (list 1) 2 }}', "[1 a] [2 1] [1 2]"),
        ('{{ $d := dict "a" 1 "b" }}{{ set $d "c" 2 }} {{ $d.c }} {{ hasKey $d "x" }}', "map[a:1 b: c:2] 2 false"),
        (
            '{{ get (dict "a" 1) "a" }}{{ pick (dict "a" 1 "b" 2) "a" }}{{ keys (dict "b" 1 "a" 2) }}',
            "1map[a:1][a b]",
        ),
        ('{{ merge (dict "a" 1 "d" (dict "x" 1)) (dict "a" 2 "d" (dict "y" 3)) }}', "map[a:1 d:map[x:1 y:3]]"),
        ('{{ splitList "" "abc" }} {{ join "-" (list 1 "a" nil) }} {{ join "-" "x" }}', "[a b c] 1-a-<nil> x"),
        ('{{ b64dec "YQ==" }} {{ b64dec "YQ" }}', "a illegal base64 data at input byte 0"),
        ('{{ b32enc "ab" }} {{ b64dec "Y*Q=" }}', "MFRA==== illegal base64 data at input byte 1"),
        ('{{ indent 2 "a\\nb" }}|{{ nindent 1 "a" }}', "  a\n  b|\n a"),
        ('{{ default "d" }} {{ default "d" 0 }} {{ coalesce 0 "" "c" }} {{ ternary "a" "b" false }}', "d d c b"),
        ('{{ toString nil }} {{ toJson (dict "b" nil "a" "<é>") }}', '<nil> {"a":"\\u003cé\\u003e","b":null}'),
        ('{{ base "/a/b/" }} {{ dir "a/b/" }} {{ clean "a/../b//c" }} {{ ext "a.tar.gz" }}', "b a/b b/c .gz"),
        ('{{ plural "one" "many" 2 }} {{ html "<a>" }} {{ urlquery "a b&c" }}', "many &lt;a&gt; a+b%26c"),
        ('{{ index .Values "zz" }}|{{ .Map.zz }}', "|<no value>"),
    ],
)
def test_functions_compute_as_sprig_does(template: str, expected: str) -> None:
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
        ("{{ upper 3 }}", 1, "wrong type for value; expected string; got int"),
        ("{{ upper }}", 1, "wrong number of args for upper: want 1 got 0"),
        ("{{ eq }}", 1, "wrong number of args for eq: want at least 1 got 0"),
        ('{{ fail "choose one" }}', 1, "error calling fail: choose one"),
        ('{{ repeat -1 "a" }}', 1, "error calling repeat: strings: negative Repeat count"),
        ('{{ trunc -1 "abc" }}', 1, "error calling trunc: runtime error: slice bounds out of range"),
        ('{{ until "3" }}', 1, "wrong type for value; expected int; got string"),
        ('{{ set .Values "a" "b" }}', 1, "expected map[string]interface {}; got map[string]string"),
        ("{{ now }}", 1, 'function "now" is not allowed: it gives another result every time'),
        ('{{ regexMatch "a" "b" }}', 1, "migrator does not compute it; write its result into the file"),
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
        '{{ $x := "xx" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}',
        '{{ $x := repeat 9999 "x" }}{{ replace "x" $x $x }}',
        "{{ $x := list 1 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}",
        "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
        "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}",
        '{{ $x := dict }}{{ $x = set $x "x" $x }}{{ $x }}',
        '{{ set .Values "on" "no" }}',
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

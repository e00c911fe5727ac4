"""Our binder beside Microsoft's, and our rules of cards beside their parser: npm's packages, run under Node.

Skipped where there is no npm, or where it cannot fetch; set NODE_CARDS to a folder that has them installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from ringback.errors import RequestError
from ringback.templates.binder import bind
from ringback.templates.budget import Budget
from ringback.templates.builtin import builtin_templates
from ringback.templates.card_rules import check_card
from ringback.templates.data_schema import DataSchema
from ringback.templates.samples import samples

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {"adaptivecards-templating": "2.3.1", "adaptive-expressions": "4.23.3", "adaptivecards": "3.0.6"}
BIND = """
const {Template} = require('adaptivecards-templating');
const cases = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(cases.map(([template, data]) => {
  try { return {value: new Template(template).expand({$root: data})}; } catch (error) { return {error: String(error.message)}; }
})));
"""
PARSE = """
const AC = require('adaptivecards/dist/adaptivecards.js');
const cards = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(cards.map((json) => {
  const context = new AC.SerializationContext(AC.Versions.v1_5);
  new AC.AdaptiveCard().parse(json, context);
  return Array.from({length: context.eventCount}, (_, i) => context.getEventAt(i).message);
})));
"""


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder with node_modules in it."""
    given = os.environ.get("NODE_CARDS")
    if given:
        return Path(given)
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return _skip("there is no npm: Adaptive Cards were NOT compared with Microsoft's own")
    folder = ROOT / ".local" / "npm-cards"
    if all((folder / "node_modules" / name / "package.json").exists() for name in PACKAGES):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-package-lock", "--silent", *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return _skip("npm brought nothing within 3 minutes: Adaptive Cards were NOT compared with Microsoft's own")
    if done.returncode:
        return _skip(
            f"npm could not fetch: Adaptive Cards were NOT compared with Microsoft's own. {done.stderr[-300:]}"
        )
    return folder


def _skip(reason: str) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn(reason, stacklevel=2)
    pytest.skip(reason)
    raise AssertionError


def node(modules: Path, script: str, given) -> list:
    done = subprocess.run(
        ["node", "-e", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=modules,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads(done.stdout)


DATA = {
    "a": 1, "b": "x", "list": [1, 2, 3], "o": {"x": {"y": "z"}}, "f": 1.5, "t": True, "no": False, "minus": -3,
    "names": ["p", "q"], "objects": [{"k": 1, "in": [{"m": "u"}, {"m": "v"}]}, {"k": 2, "in": []}], "zero": 0, "blank": "",
    "n": None, "time": "2026-03-01T10:05:09.000Z", "quote": "it's \"so\"", "big": 1234567.891,
}  # fmt: skip
EXPRESSIONS = """
a + 1; b + 1; 1 + b; b + b; a - 1; a * f; 10 / 3; 10 / 4.0; -7 / 2; 7 % 3; -7 % 3; 2 ^ 3 ^ 2; -2 ^ 2; 2 * -3; -minus; +a
(1 + 2) * 3; 1 + 2 * 3; 1 + 2 == 3 || no; 1 < 2 && 2 < 3; !a == no; a == 1; a == '1'; b == 'x'; a != 2; o.x.y == 'z'
t == true; no == false; 1 == 1.0; list == list; n == null; gone == null; !a; !no; !n; !zero; !gone; a > 0; a >= 1; b > 'a'
a < n; a && b; a || b; n || b; no || zero; n ?? b; a & b; a > 1 ? 2 : 3; a == 1 ? 'one' : 'more'
o.x.y; o['x'].y; o["x"]["y"]; o[b].y; list[0]; list[a]; objects[1].k; objects[0].in[1].m; names[a]; $root.a; $data.b
'single'; "double"; 'a\\'b'; 'a\\nb'; true; null ?? 'x'; 1.5 + 1; 0.1 + 0.2; 1000000 * 1000000; 0.001 * 0.001
if(a, 1, 2); if(no, 1, 2); if(zero, 1, 2); if(blank, 1, 2); if(n, 1, 2); if(gone, 1, 2); not(a); and(a, b); and(a, no)
or(no, a); equals(a, 1); greater(2, 1); less(1, 2); greaterOrEquals(1, 1); lessOrEquals(1, 1); exists(a); exists(gone)
exists(n); exists(o.x.w); empty(list); empty(gone); empty(blank); empty(a); concat(b, a); concat('a', 'b', 'c'); length(b)
count(list); count(b); first(list); last(list); first(objects).k; last(b); contains(list, 2); contains(list, 9)
contains(o, 'x'); contains('xyz', 'y'); indexOf('xyz', 'z'); lastIndexOf('xyzz', 'z'); indexOf('xyz', 'q')
join(list, ', '); join(names, '-'); join(list, ', ', ' and '); split('a,b', ','); substring('hello', 1)
substring('hello', 1, 3); replace('axa', 'a', 'yy'); startsWith(b, 'x'); endsWith('abc', 'bc'); toUpper(b); toLower('XY')
trim(' a '); titleCase('ab cd'); sentenceCase('ab cd'); uriComponent('a b&c/d'); min(1, 2); max(list); max(1, list)
sum(list); average(list); round(1.5); round(2.5); round(-2.5); round(2.345, 2); round(big, 1); floor(-1.2); ceiling(1.2)
abs(minus); add(1, 2, 3); sub(3, 1, 1); mul(2, 3); div(7, 2); mod(7, 2); exp(2, 3); int('12'); int(1.7); float('1.5')
string(f); string(t); string(o); string(b); string(list); coalesce(n, b); createArray(1, 2); skip(list, 1); take(list, 2)
unique(list); foreach(list, x, x * 2); where(list, x, x > 1); select(objects, x, x.k); any(list, x, x > 2)
all(list, x, x > 0); foreach(objects, o2, o2.k + a); join(foreach(objects, x, x.k), '+'); formatNumber(1234.5, 2)
formatNumber(big, 0); formatNumber(0.5, 1); formatDateTime(time, 'yyyy-MM-dd'); formatDateTime(time, 'dd.MM.yyyy HH:mm:ss')
formatDateTime(time, 'd MMM yyyy'); count(where(list, x, x >= 2)); length(concat(b, 'yz')); a+1; a==1&&b=='x'; quote
count(createArray()); if(exists(gone), gone, 'none'); if(count(list) > 2, concat(b, '!'), b); objects[0].in[0].m & b
"""
CARDS = [
    {"type": "x", "$data": "${objects}", "v": "${k} of ${$root.a}", "i": "${$index}"},
    [{"$data": "${objects}", "v": "${k}"}, {"v": "end"}],
    {"body": [{"$data": "${objects}", "n": "${k}", "inner": [{"$data": "${in}", "v": "${m}${$index}"}]}]},
    {"body": [{"$data": "${objects}", "$when": "${k > 1}", "v": "${k}"}]},
    {"body": [{"$when": "${exists(gone)}", "v": 1}, {"$when": "${t}", "v": 2}, {"$when": "${a}", "v": 3}]},
    {"body": [{"$data": "${o}", "v": "${x.y} ${$root.b} ${$data.x.y}"}]},
    {"body": [{"$data": [{"q": 1}, {"q": 2}], "v": "${q}"}]},
    {"body": [{"$data": {"q": {"r": "s"}}, "v": "${q.r}"}]},
    {"body": [{"$data": "${list}", "v": "${$data}", "w": "<${$data}>"}]},
    {"deep": {"deeper": [{"$data": "${names}", "facts": [{"title": "${$data}", "value": "${$index + 1}"}]}]}},
    {"items": ["${list}", "x${a}", 7, None, True]},
    {"t": "a ${b} c ${a} d", "u": "${a}${b}", "v": "${t}", "w": "{{DATE(${time},SHORT)}}"},
    {"k": "price: $5 {a} }{", "n": 5, "f": 1.5, "x": {}},
]


def expressions() -> list[str]:
    return [part.strip() for line in EXPRESSIONS.strip().splitlines() for part in line.split(";")]


def ours(template) -> object:
    try:
        return bind(template, DATA, Budget(), escaping=False)
    except RequestError as error:
        return error


def test_expressions_mean_what_they_mean_to_microsoft(modules):
    templates = [{"v": "${" + expression + "}"} for expression in expressions()]
    theirs = node(modules, BIND, [[template, DATA] for template in templates])
    different = [
        (template["v"], found, ours(template))
        for template, found in zip(templates, theirs, strict=True)
        if found.get("value") != ours(template)
    ]
    assert not different


def test_expressions_within_text_are_written_alike(modules):
    kept = [text for text in expressions() if isinstance(ours({"v": "${" + text + "}"}), dict)]
    single = [text for text in kept if not isinstance(ours({"v": "${" + text + "}"})["v"], (list, dict))]
    templates = [{"v": "<${" + text + "}> ${a}"} for text in single]
    theirs = node(modules, BIND, [[template, DATA] for template in templates])
    different = [
        (template["v"], found, ours(template))
        for template, found in zip(templates, theirs, strict=True)
        if found.get("value") != ours(template)
    ]
    assert not different


def test_cards_are_bound_alike(modules):
    theirs = node(modules, BIND, [[template, DATA] for template in CARDS])
    for template, found in zip(CARDS, theirs, strict=True):
        assert ours(template) == found.get("value"), template


def test_the_built_in_cards_are_bound_alike_and_parse_without_a_complaint(modules):
    cases, cards = [], []
    for template in builtin_templates().values():
        for locale, kinds in template.variants.items():
            if kinds["chat"].card is None:
                continue
            for data in samples(DataSchema(template.schema)):
                # Their formatNumber knows no locale but English.
                if locale == "en":
                    cases.append([kinds["chat"].card, data])
                cards.append(bind(kinds["chat"].card, data, Budget()))
    for (template, data), found in zip(cases, node(modules, BIND, cases), strict=True):
        bound = bind(template, data, Budget(), escaping=False)
        # They write a negative number with a sign of its own; null they cannot write at all.
        theirs = json.loads(json.dumps(found.get("value"), ensure_ascii=False).replace("\u2212", "-"))
        assert bound == theirs or None in data.values()
    assert [events for events in node(modules, PARSE, cards) if events] == []


def test_what_their_parser_complains_of_our_rules_refuse(modules):
    def card(*body, **more):
        return {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **more}

    wrong = [
        card({"type": "TextBlok", "text": "x"}),
        card({"type": "Input.Text", "label": "x"}),
        card({"type": "TextBlock", "text": "x", "color": "pink"}),
        card({"type": "Input.Text", "id": "a"}, actions=[{"type": "Action.Http", "title": "x"}]),
    ]
    complaints = node(modules, PARSE, wrong)
    for bad, said in zip(wrong, complaints, strict=True):
        with pytest.raises(RequestError):
            check_card(bad, "card")
        assert said or bad["body"][0]["type"] == "Input.Text", bad


def test_what_our_rules_take_their_parser_takes(modules):
    text = {"type": "TextBlock", "text": "x", "wrap": True, "style": "heading", "color": "Accent"}
    right = {
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": [
            text,
            {"type": "RichTextBlock", "inlines": ["a", {"type": "TextRun", "text": "b", "italic": True}]},
            {"type": "Image", "url": "https://example.org/a.png", "size": "Medium", "altText": "x"},
            {"type": "ImageSet", "images": [{"type": "Image", "url": "https://example.org/a.png"}]},
            {"type": "Container", "items": [text], "style": "emphasis", "bleed": True},
            {"type": "ColumnSet", "columns": [{"type": "Column", "width": "auto", "items": [text]}]},
            {"type": "FactSet", "facts": [{"title": "a", "value": "b"}]},
            {
                "type": "Table",
                "columns": [{"width": 1}],
                "rows": [{"type": "TableRow", "cells": [{"type": "TableCell", "items": [text]}]}],
            },
            {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "title": "x", "url": "https://example.org"}]},
            {"type": "Input.Text", "id": "a", "label": "x", "isMultiline": True},
            {"type": "Input.Number", "id": "b", "min": 1, "max": 3},
            {"type": "Input.Date", "id": "c"},
            {"type": "Input.Time", "id": "d"},
            {"type": "Input.Toggle", "id": "e", "title": "x"},
            {"type": "Input.ChoiceSet", "id": "f", "choices": [{"title": "a", "value": "b"}], "style": "expanded"},
        ],
        "actions": [
            {"type": "Action.Submit", "title": "x", "data": {"a": 1}},
            {"type": "Action.Execute", "title": "x", "verb": "v"},
            {"type": "Action.ToggleVisibility", "title": "x", "targetElements": ["a"]},
            {
                "type": "Action.ShowCard",
                "title": "x",
                "card": {"type": "AdaptiveCard", "version": "1.5", "body": [text]},
            },
        ],
    }
    assert check_card(right, "card") == []
    assert node(modules, PARSE, [right]) == [[]]

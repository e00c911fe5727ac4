from __future__ import annotations

import pytest

from local.host.routes import RouteError, compile_route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("items", "items", {}),
        ("items", "ITEMS", {}),
        ("items", "items/1", None),
        ("items/{id}", "items/1", {"id": "1"}),
        ("items/{id}", "items", None),
        ("items/{id?}", "items", {}),
        ("items/{id=7}", "items", {"id": "7"}),
        ("items/{id:int}", "items/12", {"id": "12"}),
        ("items/{id:int}", "items/x", None),
        ("items/{id:int}", "items/99999999999", None),
        ("items/{id:long}", "items/99999999999", {"id": "99999999999"}),
        (
            "items/{id:guid}",
            "items/7f000000-0000-0000-0000-000000000001",
            {"id": "7f000000-0000-0000-0000-000000000001"},
        ),
        ("items/{id:guid}", "items/7f", None),
        ("items/{flag:bool}", "items/True", {"flag": "True"}),
        ("items/{n:double}", "items/1.5", {"n": "1.5"}),
        ("items/{n:min(5)}", "items/4", None),
        ("items/{n:range(5,9)}", "items/7", {"n": "7"}),
        ("items/{s:length(2,3)}", "items/abcd", None),
        ("items/{s:minlength(2)}", "items/ab", {"s": "ab"}),
        ("items/{s:maxlength(2)}", "items/abc", None),
        ("items/{s:alpha}", "items/ab1", None),
        ("items/{s:regex(^a.c$)}", "items/abc", {"s": "abc"}),
        ("items/{s:alpha:maxlength(2)}", "items/abc", None),
        ("items/{at:datetime}", "items/2025-01-01", {"at": "2025-01-01"}),
        ("files/{*rest}", "files/a/b%20c", {"rest": "a/b c"}),
        ("files/{*rest}", "files", {}),
        ("{a}-{b}.json", "x-y.json", {"a": "x", "b": "y"}),
        ("{name}", "h%C3%A9", {"name": "hé"}),
        ("", "", {}),
    ],
)
def test_templates(template: str, path: str, values: dict | None) -> None:
    assert compile_route(template).match(path) == values


def test_the_narrower_route_comes_first() -> None:
    templates = ["{*rest}", "items/{id}", "items/{id:int}", "items/new"]
    ordered = sorted((compile_route(t) for t in templates), key=lambda route: route.rank)
    assert [route.template for route in ordered] == ["items/new", "items/{id:int}", "items/{id}", "{*rest}"]


@pytest.mark.parametrize("template", ["items/{id", "items/{id:nosuch}", "items/{n:min(x)}"])
def test_a_template_that_cannot_be_understood(template: str) -> None:
    with pytest.raises(RouteError, match="items"):
        compile_route(template)

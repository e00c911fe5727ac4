"""A small template to vary, and shorthands."""

from __future__ import annotations

import json
from typing import Any

from ringback.templates.checking import Checked, check_template
from ringback.templates.model import Template, parse_template
from ringback.templates.rendering import Renderer

SCHEMA = {
    "type": "object",
    "required": ["name", "items"],
    "properties": {
        "name": {"type": "string"},
        "note": {"type": "string"},
        "url": {"type": "string", "format": "uri"},
        "count": {"type": "integer", "minimum": 0},
        "total": {"type": "number"},
        "owner": {"type": "object", "properties": {"first": {"type": "string"}}, "required": ["first"]},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["title", "price"],
                "properties": {"title": {"type": "string"}, "price": {"type": "number"}},
            },
        },
    },
}


def card(*body: Any, **more: Any) -> dict[str, Any]:
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **more}


def block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, **more}


def body(schema: Any = SCHEMA, default: str = "en", **variants: Any) -> dict[str, Any]:
    """`en={"chat": {...}}`; a string stands for a chat text."""
    spelled = {
        locale.replace("_", "-"): {"chat": {"text": kinds}} if isinstance(kinds, str) else kinds
        for locale, kinds in variants.items()
    }
    return {"defaultLocale": default, "schema": schema, "variants": spelled}


def made(schema: Any = SCHEMA, **variants: Any) -> Template:
    return parse_template("test", json.dumps(body(schema, **variants)).encode())


def checked(schema: Any = SCHEMA, **variants: Any) -> Checked:
    return check_template(made(schema, **variants))


def renderer(schema: Any = SCHEMA, **variants: Any) -> Renderer:
    return Renderer(made(schema, **variants))


def data(**more: Any) -> dict[str, Any]:
    return {"name": "Ann", "items": [{"title": "Tea", "price": 2.5}, {"title": "Cup", "price": 10}], **more}

"""What Adaptive Cards 1.5 are made of: each type's properties and their kinds, after https://adaptivecards.io/explorer/.

A name with `!` is required. Kinds are explained in card_rules.py; a tuple lists the words that are allowed.
"""

from __future__ import annotations

from typing import Union

Kind = Union[str, tuple[str, ...]]  # noqa: UP007  evaluated at run time, where Python 3.10 would do too
Properties = dict[str, Kind]

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
SPACING = ("none", "small", "default", "medium", "large", "extralarge", "padding")
COLORS = ("default", "dark", "light", "accent", "good", "warning", "attention")
SIZES = ("default", "small", "medium", "large", "extralarge")
WEIGHTS = ("default", "lighter", "bolder")
FONTS = ("default", "monospace")
ALIGNMENTS = ("left", "center", "right")
VERTICAL = ("top", "center", "bottom")
STYLES = ("default", "emphasis", "good", "attention", "warning", "accent")
IMAGE_SIZES = ("auto", "stretch", "small", "medium", "large")

COMMON: Properties = {
    "id": "string",
    "isVisible": "boolean",
    "separator": "boolean",
    "spacing": SPACING,
    "height": ("auto", "stretch"),
    "fallback": "fallback",
    "requires": "any",
}
TEXT: Properties = {
    "text!": "string",
    "color": COLORS,
    "fontType": FONTS,
    "isSubtle": "boolean",
    "size": SIZES,
    "weight": WEIGHTS,
}
BOX: Properties = {
    "selectAction": "selectAction",
    "style": STYLES,
    "verticalContentAlignment": VERTICAL,
    "bleed": "boolean",
    "backgroundImage": "background",
    "minHeight": "string",
    "rtl": "boolean",
}
INPUT: Properties = {**COMMON, "id!": "string", "label": "string", "isRequired": "boolean", "errorMessage": "string"}
ACTION: Properties = {
    "title": "string",
    "iconUrl": "image",
    "id": "string",
    "style": ("default", "positive", "destructive"),
    "fallback": "fallback",
    "requires": "any",
    "tooltip": "string",
    "isEnabled": "boolean",
    "mode": ("primary", "secondary"),
}

ELEMENTS: dict[str, Properties] = {
    "TextBlock": {
        **COMMON, **TEXT, "horizontalAlignment": ALIGNMENTS, "maxLines": "number", "wrap": "boolean",
        "style": ("default", "heading"),
    },
    "RichTextBlock": {**COMMON, "inlines!": "inlines", "horizontalAlignment": ALIGNMENTS},
    "Image": {
        **COMMON, "url!": "image", "altText": "string", "backgroundColor": "string", "height": "string",
        "horizontalAlignment": ALIGNMENTS, "selectAction": "selectAction", "size": IMAGE_SIZES,
        "style": ("default", "person"), "width": "string",
    },
    "ImageSet": {**COMMON, "images!": "images", "imageSize": IMAGE_SIZES},
    "Media": {**COMMON, "sources!": "sources", "poster": "image", "altText": "string"},
    "Container": {**COMMON, **BOX, "items!": "elements"},
    "ColumnSet": {
        **COMMON, "columns": "columns", "selectAction": "selectAction", "style": STYLES, "bleed": "boolean",
        "minHeight": "string", "horizontalAlignment": ALIGNMENTS,
    },
    "FactSet": {**COMMON, "facts!": "facts"},
    "Table": {
        **COMMON, "columns": "tableColumns", "rows": "rows", "firstRowAsHeaders": "boolean",
        "firstRowAsHeader": "boolean", "showGridLines": "boolean", "gridStyle": STYLES,
        "horizontalCellContentAlignment": ALIGNMENTS, "verticalCellContentAlignment": VERTICAL,
    },
    "ActionSet": {**COMMON, "actions!": "actions", "horizontalAlignment": ALIGNMENTS},
    "Input.Text": {
        **INPUT, "isMultiline": "boolean", "maxLength": "number", "placeholder": "string", "regex": "string",
        "style": ("text", "tel", "url", "email", "password"), "inlineAction": "selectAction", "value": "string",
    },
    "Input.Number": {**INPUT, "min": "number", "max": "number", "placeholder": "string", "value": "number"},
    "Input.Date": {**INPUT, "min": "string", "max": "string", "placeholder": "string", "value": "string"},
    "Input.Time": {**INPUT, "min": "string", "max": "string", "placeholder": "string", "value": "string"},
    "Input.Toggle": {
        **INPUT, "title!": "string", "value": "string", "valueOff": "string", "valueOn": "string", "wrap": "boolean",
    },
    "Input.ChoiceSet": {
        **INPUT, "choices": "choices", "choices.data": "any", "isMultiSelect": "boolean", "placeholder": "string",
        "style": ("compact", "expanded", "filtered"), "value": "string", "wrap": "boolean",
    },
}  # fmt: skip

ACTIONS: dict[str, Properties] = {
    "Action.OpenUrl": {**ACTION, "url!": "link"},
    "Action.Submit": {**ACTION, "data": "any", "associatedInputs": ("auto", "none")},
    "Action.Execute": {**ACTION, "verb": "string", "data": "any", "associatedInputs": ("auto", "none")},
    "Action.ShowCard": {**ACTION, "card": "card"},
    "Action.ToggleVisibility": {**ACTION, "targetElements!": "targets"},
}

CARD: Properties = {
    "version": VERSIONS,
    "$schema": "string",
    "body": "elements",
    "actions": "actions",
    "selectAction": "selectAction",
    "fallbackText": "string",
    "backgroundImage": "background",
    "minHeight": "string",
    "rtl": "boolean",
    "speak": "string",
    "lang": "string",
    "verticalContentAlignment": VERTICAL,
    "refresh": "any",
    "authentication": "any",
    "metadata": "any",
    "msteams": "any",
}
# Parts that are no elements of their own; their `type` may be left out.
PARTS: dict[str, Properties] = {
    "Column": {**COMMON, **BOX, "items": "elements", "width": "width"},
    "TextRun": {
        **TEXT, "highlight": "boolean", "italic": "boolean", "strikethrough": "boolean", "underline": "boolean",
        "selectAction": "selectAction",
    },
    "Fact": {"title!": "string", "value!": "string"},
    "MediaSource": {"mimeType!": "string", "url!": "string"},
    "Input.Choice": {"title!": "string", "value!": "string"},
    "TableColumnDefinition": {
        "width": "width", "horizontalCellContentAlignment": ALIGNMENTS, "verticalCellContentAlignment": VERTICAL,
    },
    "TableRow": {
        "cells": "cells", "style": STYLES, "horizontalCellContentAlignment": ALIGNMENTS,
        "verticalCellContentAlignment": VERTICAL,
    },
    "TableCell": {**BOX, "items!": "elements"},
    "TargetElement": {"elementId!": "string", "isVisible": "boolean"},
}  # fmt: skip
SINCE = {
    "Media": "1.1",
    "RichTextBlock": "1.2",
    "ActionSet": "1.2",
    "Action.ToggleVisibility": "1.2",
    "Action.Execute": "1.4",
    "Table": "1.5",
}

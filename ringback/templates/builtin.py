"""The templates that come with the app, in English and German; storing one of the same name takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ringback.templates.model import Template, Variant
from ringback.templates.status_words import PAYMENT_WORDS, SHIPMENT_WORDS

Card = dict[str, Any]
Words = Mapping[str, str]

TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
LONG_TEXT = {"type": "string", "maxLength": 2000}
URL = {"type": "string", "format": "uri", "maxLength": 1000}
TIME = {"type": "string", "format": "date-time"}
MONEY = {"type": "number"}
CURRENCY = {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}


@lru_cache(maxsize=1)
def builtin_templates() -> Mapping[str, Template]:
    """The templates by name."""
    made = (_order_created(), _payment_processed(), _shipment_status_changed(), _monitor_alert(), _reminder())
    return {template.name: template for template in made}


def _template(name: str, description: str, schema: Card, variants: Mapping[str, Mapping[str, Variant]]) -> Template:
    return Template(
        name=name,
        description=description,
        default_locale="en",
        schema=schema,
        variants={locale: dict(kinds) for locale, kinds in variants.items()},
    )


def _schema(required: Mapping[str, Card], optional: Mapping[str, Card]) -> Card:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _heading(text: str, **look: str) -> Card:
    return {"type": "TextBlock", "text": text, "size": "Large", "weight": "Bolder", "wrap": True, **look}


def _line(text: str, when: str | None = None, **look: Any) -> Card:
    return {**({"$when": when} if when else {}), "type": "TextBlock", "text": text, "wrap": True, **look}


def _facts(*facts: tuple[str, str, str | None]) -> Card:
    """(title, value, the optional property it shows)."""
    entries = [
        {**({"$when": f"${{exists({needed})}}"} if needed else {}), "title": title, "value": value}
        for title, value, needed in facts
    ]
    return {"type": "FactSet", "facts": entries}


def _card(*body: Card, link: tuple[str, str] | None = None) -> Card:
    """An Adaptive Card; `link` is (title, the optional property with the address)."""
    card: Card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "body": list(body),
    }
    if link:
        title, name = link
        button = {"type": "Action.OpenUrl", "title": title, "url": f"${{{name}}}", "$when": f"${{exists({name})}}"}
        card["actions"] = [button]
    return card


def _order_created() -> Template:
    item = {"type": "object", "properties": {"name": TEXT, "quantity": {"type": "integer", "minimum": 1}}}
    schema = _schema(
        {"orderNumber": TEXT},
        {
            "orderId": TEXT,
            "total": MONEY,
            "currency": {**CURRENCY, "default": "EUR"},
            "items": {"type": "array", "items": {**item, "required": ["name", "quantity"]}, "maxItems": 50},
            "url": URL,
        },
    )

    def variant(words: Words) -> Mapping[str, Variant]:
        amount = f"${{formatNumber(total, 2, '{words['locale']}')}} ${{currency}}"
        lines = {**_line("${quantity} × ${name}"), "$data": "${items}", "spacing": "Small"}  # noqa: RUF001  quantities are written so
        card = _card(
            _heading(words["title"]),
            _line(words["body"].replace("{{ orderNumber }}", "${orderNumber}")),
            {"type": "Container", "$when": "${exists(items)}", "items": [lines]},
            _facts((words["total"], amount, "total")),
            link=(words["button"], "url"),
        )
        plain = words["body"].replace("**", "")
        sms = plain + "{% if url is defined %} {{ url }}{% endif %}"
        return {
            "chat": Variant(text=words["body"], card=card, subject=words["subject"]),
            "email": Variant(card=card, subject=words["subject"]),
            "sms": Variant(text=sms),
        }

    english = {
        "locale": "en",
        "title": "Order received",
        "subject": "Your order {{ orderNumber }}",
        "body": "Your order **{{ orderNumber }}** has been created and is being processed.",
        "total": "Total",
        "button": "View order",
    }
    german = {
        "locale": "de",
        "title": "Bestellung eingegangen",
        "subject": "Ihre Bestellung {{ orderNumber }}",
        "body": "Ihre Bestellung **{{ orderNumber }}** ist eingegangen und wird bearbeitet.",
        "total": "Summe",
        "button": "Bestellung ansehen",
    }
    return _template("order-created", "An order was placed.", schema, {"en": variant(english), "de": variant(german)})


def _payment_processed() -> Template:
    schema = _schema(
        {"orderNumber": TEXT, "amount": MONEY, "currency": CURRENCY},
        {
            "status": {"enum": ["succeeded", "failed", "refunded"], "default": "succeeded"},
            "method": TEXT,
            "reason": LONG_TEXT,
            "url": URL,
        },
    )
    return _template(
        "payment-processed",
        "A payment succeeded, failed or was refunded.",
        schema,
        {locale: _by_status(locale, words, PAYMENT_FACTS[locale]) for locale, words in PAYMENT_WORDS.items()},
    )


PAYMENT_FACTS = {
    locale: (
        (order, "${orderNumber}", None),
        (amount, f"${{formatNumber(amount, 2, '{locale}')}} ${{currency}}", None),
        (method, "${method}", "method"),
        (reason, "${reason}", "reason"),
    )
    for locale, order, amount, method, reason in (
        ("en", "Order", "Amount", "Method", "Reason"),
        ("de", "Bestellung", "Betrag", "Zahlungsart", "Grund"),
    )
}


def _shipment_status_changed() -> Template:
    schema = _schema(
        {
            "orderNumber": TEXT,
            "status": {"enum": ["shipped", "in_transit", "out_for_delivery", "delivered", "delayed", "returned"]},
        },
        {"carrier": TEXT, "trackingNumber": TEXT, "estimatedDelivery": TIME, "url": URL},
    )
    variants = {}
    for locale, words in SHIPMENT_WORDS.items():
        pattern = "dd.MM.yyyy" if locale == "de" else "d MMM yyyy"
        facts = (
            (words["carrier"], "${carrier}", "carrier"),
            (words["tracking"], "${trackingNumber}", "trackingNumber"),
            (words["expected"], f"${{formatDateTime(estimatedDelivery, '{pattern}')}}", "estimatedDelivery"),
        )
        variants[locale] = _by_status(locale, words, facts)
    return _template("shipment-status-changed", "A shipment has a new status.", schema, variants)


def _by_status(locale: str, words: Words, facts: tuple[tuple[str, str, str | None], ...]) -> Mapping[str, Variant]:
    """A sentence for each status, in text, and as lines of the card that only one status keeps."""
    statuses = {key: text for key, text in words.items() if key.startswith("status ")}
    branches = [
        f"{{% {'elif' if number else 'if'} status == '{key[7:]}' %}}{text}"
        for number, (key, text) in enumerate(statuses.items())
    ]
    sentence = "".join(branches) + "{% endif %}"
    bound = [(key[7:], _card_words(text, locale)) for key, text in statuses.items()]
    card = _card(
        _heading(words["title"]),
        *(_line(text, f"${{status == '{status}'}}") for status, text in bound),
        _facts(*facts),
        link=(words["button"], "url"),
    )
    sms = sentence.replace("**", "") + "{% if url is defined %} {{ url }}{% endif %}"
    return {
        "chat": Variant(text=sentence, card=card, subject=words["subject"]),
        "email": Variant(card=card, subject=words["subject"]),
        "sms": Variant(text=sms),
    }


def _card_words(text: str, locale: str) -> str:
    money = "{{ amount|money(currency) }}"
    return text.replace(money, f"${{formatNumber(amount, 2, '{locale}')}} ${{currency}}").replace(
        "{{ orderNumber }}", "${orderNumber}"
    )


def _monitor_alert() -> Template:
    # The `essentials` of https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
    schema = _schema(
        {
            "alertRule": TEXT,
            "severity": {"type": "string", "maxLength": 10, "examples": ["Sev1"]},
            "monitorCondition": {"enum": ["Fired", "Resolved"]},
        },
        {
            "description": {"type": ["string", "null"], "maxLength": 2000, "default": None},
            "firedDateTime": TIME,
            "resolvedDateTime": TIME,
            "monitoringService": TEXT,
            "alertTargetIDs": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            "url": URL,
        },
    )

    def variant(words: Words) -> Mapping[str, Variant]:
        subject = f"[{{{{ severity }}}}] {{{{ alertRule }}}}: {words['condition']}"
        text = f"**{{{{ alertRule }}}}** ({{{{ severity }}}}): {words['condition']}"
        card = _card(
            _heading("${alertRule}", color="Attention") | {"$when": "${monitorCondition == 'Fired'}"},
            _heading("${alertRule}", color="Good") | {"$when": "${monitorCondition == 'Resolved'}"},
            _line("${description}", "${!empty(description)}"),
            _facts(
                (words["severity"], "${severity}", None),
                (
                    words["state"],
                    f"${{if(monitorCondition == 'Fired', '{words['fired']}', '{words['resolved']}')}}",
                    None,
                ),
                (words["since"], "${formatDateTime(firedDateTime, 'yyyy-MM-dd HH:mm')} UTC", "firedDateTime"),
                (words["until"], "${formatDateTime(resolvedDateTime, 'yyyy-MM-dd HH:mm')} UTC", "resolvedDateTime"),
                (words["service"], "${monitoringService}", "monitoringService"),
                (words["targets"], "${join(alertTargetIDs, ', ')}", "alertTargetIDs"),
            ),
            link=(words["button"], "url"),
        )
        return {
            "chat": Variant(text=text, card=card, subject=subject),
            "email": Variant(card=card, subject=subject),
            "sms": Variant(text=subject + "{% if url is defined %} {{ url }}{% endif %}"),
        }

    english = {
        "condition": "{% if monitorCondition == 'Fired' %}fired{% else %}resolved{% endif %}",
        "severity": "Severity", "state": "State", "fired": "Fired", "resolved": "Resolved", "since": "Fired at",
        "until": "Resolved at", "service": "Service", "targets": "Resources", "button": "Open the alert",
    }  # fmt: skip
    german = {
        "condition": "{% if monitorCondition == 'Fired' %}ausgelöst{% else %}behoben{% endif %}",
        "severity": "Schweregrad", "state": "Zustand", "fired": "Ausgelöst", "resolved": "Behoben",
        "since": "Ausgelöst um", "until": "Behoben um", "service": "Dienst", "targets": "Ressourcen",
        "button": "Warnung öffnen",
    }  # fmt: skip
    variants = {"en": variant(english), "de": variant(german)}
    return _template("azure-monitor-alert", "An alert of Azure Monitor fired or was resolved.", schema, variants)


def _reminder() -> Template:
    schema = _schema(
        {"text": {"type": "string", "minLength": 1, "maxLength": 1000}},
        {"dueAt": TIME, "timeZone": {"type": "string", "format": "time-zone", "default": "UTC"}, "url": URL},
    )

    def variant(title: str, button: str) -> Mapping[str, Variant]:
        due = "{% if dueAt is defined %} ({{ dueAt|datetime(timeZone) }}){% endif %}"
        link = f"\n\n{{% if url is defined %}}{{{{ url|link('{button}') }}}}{{% endif %}}"
        return {
            "chat": Variant(text=f"⏰ **{title}:** {{{{ text }}}}{due}{link}", subject=f"{title}: {{{{ text }}}}"),
            "sms": Variant(text=f"{title}: {{{{ text }}}}{due}{{% if url is defined %}} {{{{ url }}}}{{% endif %}}"),
        }

    variants = {"en": variant("Reminder", "Open"), "de": variant("Erinnerung", "Öffnen")}
    return _template("reminder", "Something that somebody wanted to be reminded of.", schema, variants)

"""The sentences of the built-in templates that depend on a status: `status x` is what is said of status x."""

from __future__ import annotations

PAYMENT_WORDS = {
    "en": {
        "title": "Payment",
        "subject": "Payment for your order {{ orderNumber }}",
        "button": "View payment",
        "status succeeded": "We have received your payment of **{{ amount|money(currency) }}** for order "
        "{{ orderNumber }}. Thank you!",
        "status failed": "Your payment of **{{ amount|money(currency) }}** for order {{ orderNumber }} did not go "
        "through.",
        "status refunded": "We have refunded **{{ amount|money(currency) }}** for order {{ orderNumber }}.",
    },
    "de": {
        "title": "Zahlung",
        "subject": "Zahlung zu Ihrer Bestellung {{ orderNumber }}",
        "button": "Zahlung ansehen",
        "status succeeded": "Ihre Zahlung über **{{ amount|money(currency) }}** für die Bestellung {{ orderNumber }} "
        "ist eingegangen. Vielen Dank!",
        "status failed": "Ihre Zahlung über **{{ amount|money(currency) }}** für die Bestellung {{ orderNumber }} ist "
        "fehlgeschlagen.",
        "status refunded": "Wir haben Ihnen **{{ amount|money(currency) }}** für die Bestellung {{ orderNumber }} "
        "erstattet.",
    },
}
SHIPMENT_WORDS = {
    "en": {
        "title": "Your shipment",
        "subject": "Shipment of your order {{ orderNumber }}",
        "button": "Track shipment",
        "carrier": "Carrier",
        "tracking": "Tracking number",
        "expected": "Expected",
        "status shipped": "Your order **{{ orderNumber }}** has been shipped.",
        "status in_transit": "Your order **{{ orderNumber }}** is on its way.",
        "status out_for_delivery": "Your order **{{ orderNumber }}** is out for delivery.",
        "status delivered": "Your order **{{ orderNumber }}** has been delivered.",
        "status delayed": "Your order **{{ orderNumber }}** is delayed.",
        "status returned": "Your order **{{ orderNumber }}** is on its way back to the sender.",
    },
    "de": {
        "title": "Ihre Sendung",
        "subject": "Sendung zu Ihrer Bestellung {{ orderNumber }}",
        "button": "Sendung verfolgen",
        "carrier": "Versanddienst",
        "tracking": "Sendungsnummer",
        "expected": "Voraussichtlich",
        "status shipped": "Ihre Bestellung **{{ orderNumber }}** wurde versandt.",
        "status in_transit": "Ihre Bestellung **{{ orderNumber }}** ist unterwegs.",
        "status out_for_delivery": "Ihre Bestellung **{{ orderNumber }}** wird heute zugestellt.",
        "status delivered": "Ihre Bestellung **{{ orderNumber }}** wurde zugestellt.",
        "status delayed": "Ihre Bestellung **{{ orderNumber }}** verspätet sich.",
        "status returned": "Ihre Bestellung **{{ orderNumber }}** ist auf dem Weg zurück zum Absender.",
    },
}

"""The composition root: one app, every blueprint registered, nothing else."""

from __future__ import annotations

import azure.durable_functions as df

import activities.analyze_file
import activities.delivery
import activities.external_job
import activities.operations
import activities.retention
import bot_http.dead_letters
import bot_http.engagement
import bot_http.health
import bot_http.messages
import bot_http.metrics
import bot_http.notifications
import bot_http.operations
import bot_http.pages
import bot_http.templates
import bot_http.users
import entities.user
import orchestrators.deliver
import orchestrators.long_operation
import orchestrators.retention
import triggers.recovery
import triggers.retention

app = df.DFApp()

for room in (
    bot_http.messages,
    bot_http.operations,
    bot_http.notifications,
    bot_http.dead_letters,
    bot_http.engagement,
    bot_http.pages,
    bot_http.templates,
    bot_http.users,
    bot_http.health,
    bot_http.metrics,
    triggers.recovery,
    triggers.retention,
    orchestrators.long_operation,
    orchestrators.deliver,
    orchestrators.retention,
    activities.operations,
    activities.delivery,
    activities.external_job,
    activities.analyze_file,
    activities.retention,
    entities.user,
):
    app.register_functions(room.bp)

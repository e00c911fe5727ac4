"""People on Teams who have no conversation with the bot yet, and where one is asked for."""

from __future__ import annotations

import msgspec

TEAMS = "msteams"
# Where Teams is reached by default, and its regions and clouds:
# https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages
SERVICE_URL = "https://smba.trafficmanager.net/teams/"
REGIONS = {
    "amer": "https://smba.trafficmanager.net/amer/",
    "emea": "https://smba.trafficmanager.net/emea/",
    "apac": "https://smba.trafficmanager.net/apac/",
    "gcc": "https://smba.infra.gcc.teams.microsoft.com/teams/",
    "gcch": "https://smba.infra.gov.teams.microsoft.us/teams/",
    "dod": "https://smba.infra.dod.teams.microsoft.us/teams/",
}


class TeamsUser(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody of a directory, as another system registered them; ids of the directory in lower case.

    `user_id` is what Teams calls them towards this bot alone (`29:…`). `service_url` is for them and comes before the
    one their tenant is known by; `region`, one of REGIONS, comes after it.
    """

    tenant_id: str
    aad_object_id: str
    user_id: str | None = None
    service_url: str | None = None
    region: str | None = None
    name: str | None = None

    @property
    def kind(self) -> str:
        """Under which kind of channel they are reached."""
        return "bot"

    @property
    def member_id(self) -> str:
        """The id by which the connector is asked for them; it takes either."""
        return self.user_id or self.aad_object_id

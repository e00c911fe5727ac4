"""Settings, read from the environment once; the names are those of local.settings.sample.json."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from ringback.channels.teams import SERVICE_URL
from ringback.delivery.pace import Window, parse_windows
from ringback.errors import ConfigurationError

# Set by the platform on every plan of Azure Functions; Core Tools sets neither.
AZURE_MARKS = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME")
# Azurite's documented account: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
DEVELOPMENT_STORAGE = (
    f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={DEVELOPMENT_KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
# Teams' limits for a bot: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
APP_WINDOWS = "50/1"
CONVERSATION_WINDOWS = "7/1,8/2,60/30,1800/3600"
CREATE_WINDOWS = CONVERSATION_WINDOWS
# What the chat of Azure Communication Services calls itself towards a bot: `AcsChat` in its quickstart "Add a bot to
# your chat app", lower case by the convention of all channels.
ACS_CHAT_CHANNELS = ("AcsChat", "acschat", "acs")
MOST_DAYS = 36_500
SAMPLE_SIGNING_KEY = "for-local-use-only-choose-your-own-in-azure"


class BotSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who the bot is towards the channel service, and who may talk to it."""

    app_id: str = ""
    app_password: str = ""
    app_type: str = "MultiTenant"
    app_tenant_id: str = ""
    allow_anonymous: bool = False
    openid_metadata_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    token_issuer: str = "https://api.botframework.com"  # noqa: S105  an issuer, no secret
    token_url: str = ""
    teams_service_url: str = SERVICE_URL
    service_url_hosts: tuple[str, ...] = ()
    attachment_hosts: tuple[str, ...] = ()


class MessagingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """SMS and e-mail: who sends, and through which service. With an SMTP host e-mail goes there, else to Azure."""

    acs_endpoint: str = ""
    acs_key: str = ""  # empty: a managed identity
    sms_from: str = ""
    sms_max_segments: int = 0  # 0: whatever the service takes
    email_from: str = ""
    email_wait_seconds: int = 10
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_starttls: bool = True


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the bot may send: to all of a tenant, and to one conversation; `block` slots are taken ahead.

    `create` is how fast it may open conversations with people of a tenant.
    """

    app: tuple[Window, ...] = parse_windows(APP_WINDOWS, "")
    conversation: tuple[Window, ...] = parse_windows(CONVERSATION_WINDOWS, "")
    create: tuple[Window, ...] = parse_windows(CREATE_WINDOWS, "")
    block: int = 8


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many days what has ended is kept, and what it said; None is for ever, or as long as the rest."""

    days: int | None = 90
    content_days: int | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the app reads from its environment."""

    bot: BotSettings
    messaging: MessagingSettings = MessagingSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    retention: RetentionSettings = RetentionSettings()
    in_azure: bool
    hub: str = ""
    tables_connection: str
    tables_endpoint: str = ""
    queues_connection: str = ""
    queues_endpoint: str = ""
    managed_identity_client_id: str = ""
    signing_key: str
    public_url: str
    external_job_url: str = ""
    external_job_queue: str = ""
    file_max_bytes: int = 20 * 1024 * 1024
    opt_in_categories: tuple[str, ...] = ()
    acs_chat_channels: tuple[str, ...] = ACS_CHAT_CHANNELS


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables; raises ConfigurationError naming the variable at fault."""
    in_azure = any(environ.get(name) for name in AZURE_MARKS)
    storage = environ.get("AzureWebJobsStorage", "")
    return Settings(
        bot=_bot(environ, in_azure),
        messaging=_messaging(environ, in_azure),
        throttle=_throttle(environ),
        retention=_retention(environ),
        in_azure=in_azure,
        hub=_hub(environ, in_azure),
        tables_connection=_development(environ.get("TABLES_CONNECTION_STRING") or storage),
        tables_endpoint=environ.get("AzureWebJobsStorage__tableServiceUri", ""),
        queues_connection=_development(environ.get("QUEUES_CONNECTION_STRING") or storage),
        queues_endpoint=environ.get("AzureWebJobsStorage__queueServiceUri", ""),
        managed_identity_client_id=environ.get("AzureWebJobsStorage__clientId", ""),
        signing_key=_signing_key(environ, in_azure),
        public_url=_public_url(environ),
        external_job_url=_url(environ, "EXTERNAL_JOB_URL"),
        external_job_queue=environ.get("EXTERNAL_JOB_QUEUE", ""),
        file_max_bytes=_integer(environ, "FILE_MAX_BYTES", 20 * 1024 * 1024),
        opt_in_categories=_list(environ, "OPT_IN_CATEGORIES"),
        acs_chat_channels=_names(environ, "ACS_CHAT_CHANNEL_IDS") or ACS_CHAT_CHANNELS,
    )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ)


def _hub(environ: Mapping[str, str], in_azure: bool) -> str:
    """Which task hub this process works for.

    On one machine, embedded hosts with states of their own bear the same name, and tell themselves apart by their id.
    """
    name, host = environ.get("TASKHUB_NAME", ""), environ.get("AzureFunctionsWebHost__hostid", "")
    return f"{name}@{host}" if host and not in_azure else name


def _bot(environ: Mapping[str, str], in_azure: bool) -> BotSettings:
    defaults = BotSettings()
    overridable = {
        "openid_metadata_url": _url(environ, "BOT_OPENID_METADATA_URL"),
        "token_issuer": environ.get("BOT_TOKEN_ISSUER", ""),
        "token_url": _url(environ, "BOT_TOKEN_URL"),
    }
    if in_azure and any(overridable.values()):
        names = "BOT_OPENID_METADATA_URL, BOT_TOKEN_ISSUER and BOT_TOKEN_URL"
        raise ConfigurationError(f"{names} say whom the bot trusts and are for local use only: remove them in Azure.")
    return BotSettings(
        app_id=environ.get("MicrosoftAppId", ""),
        app_password=environ.get("MicrosoftAppPassword", ""),
        app_type=environ.get("MicrosoftAppType") or defaults.app_type,
        app_tenant_id=environ.get("MicrosoftAppTenantId", ""),
        allow_anonymous=_boolean(environ, "BOT_ALLOW_ANONYMOUS") and not in_azure,
        openid_metadata_url=overridable["openid_metadata_url"] or defaults.openid_metadata_url,
        token_issuer=overridable["token_issuer"] or defaults.token_issuer,
        token_url=overridable["token_url"],
        teams_service_url=_url(environ, "BOT_TEAMS_SERVICE_URL") or defaults.teams_service_url,
        service_url_hosts=_list(environ, "BOT_SERVICE_URL_HOSTS"),
        attachment_hosts=_list(environ, "BOT_ATTACHMENT_HOSTS"),
    )


def _messaging(environ: Mapping[str, str], in_azure: bool) -> MessagingSettings:
    endpoint, key = _acs(environ, in_azure)
    port = _integer(environ, "SMTP_PORT", 587)
    if not 0 < port < 65536:
        raise ConfigurationError(f"SMTP_PORT is {port}: give a port, 587 in most places.")
    if bool(environ.get("SMTP_USER")) != bool(environ.get("SMTP_PASSWORD")):
        raise ConfigurationError("SMTP_USER and SMTP_PASSWORD go together: set both, or neither.")
    return MessagingSettings(
        acs_endpoint=endpoint,
        acs_key=key,
        sms_from=environ.get("SMS_FROM", "").strip(),
        sms_max_segments=_integer(environ, "SMS_MAX_SEGMENTS", 0),
        email_from=environ.get("EMAIL_FROM", "").strip(),
        email_wait_seconds=_integer(environ, "EMAIL_WAIT_SECONDS", 10),
        smtp_host=environ.get("SMTP_HOST", "").strip(),
        smtp_port=port,
        smtp_user=environ.get("SMTP_USER", ""),
        smtp_password=environ.get("SMTP_PASSWORD", ""),
        # Port 465 speaks TLS from the first byte.
        smtp_starttls=_boolean(environ, "SMTP_STARTTLS", default=port != 465),
    )


def _acs(environ: Mapping[str, str], in_azure: bool) -> tuple[str, str]:
    """Endpoint and key of Azure Communication Services; the SDK's own parser would make every endpoint https."""
    connection = environ.get("ACS_CONNECTION_STRING", "").strip()
    if connection:
        pairs = (part.partition("=") for part in connection.split(";") if part.strip())
        parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
        endpoint, key, name = parts.get("endpoint", ""), parts.get("accesskey", ""), "ACS_CONNECTION_STRING"
        if not endpoint or not _is_base64(key):
            raise ConfigurationError("ACS_CONNECTION_STRING is malformed: give endpoint=https://…;accesskey=….")
    else:
        endpoint, key, name = environ.get("ACS_ENDPOINT", "").strip(), "", "ACS_ENDPOINT"
    if not endpoint:
        return "", ""
    url = urlsplit(endpoint)
    plain = url.scheme == "http" and url.hostname in {"localhost", "127.0.0.1", "::1"} and not in_azure and key
    if not url.hostname or not (url.scheme == "https" or plain) or url.path.strip("/") or url.query:
        raise ConfigurationError(f"{name} needs an endpoint such as https://my-resource.communication.azure.com.")
    return f"{url.scheme}://{url.netloc}", key


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _throttle(environ: Mapping[str, str]) -> ThrottleSettings:
    return ThrottleSettings(
        app=parse_windows(environ.get("THROTTLE_APP") or APP_WINDOWS, "THROTTLE_APP"),
        conversation=parse_windows(
            environ.get("THROTTLE_CONVERSATION") or CONVERSATION_WINDOWS, "THROTTLE_CONVERSATION"
        ),
        create=parse_windows(environ.get("THROTTLE_CREATE") or CREATE_WINDOWS, "THROTTLE_CREATE"),
        block=max(0, _integer(environ, "THROTTLE_BLOCK", 8)),
    )


def _retention(environ: Mapping[str, str]) -> RetentionSettings:
    days = _days(environ, "RETENTION_DAYS", RetentionSettings().days)
    content_days = _days(environ, "RETENTION_CONTENT_DAYS", None)
    if days is not None and content_days is not None and content_days > days:
        raise ConfigurationError(
            f"RETENTION_CONTENT_DAYS is {content_days}, and RETENTION_DAYS only {days}: what a message said cannot be "
            "kept longer than its row."
        )
    return RetentionSettings(days=days, content_days=content_days)


def _days(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    value = environ.get(name, "").strip().lower()
    if not value or value == "off":
        return None if value else default
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= MOST_DAYS:
        raise ConfigurationError(f"{name} is {value!r}: give a number of days from 1 to {MOST_DAYS}, or off.")
    return int(value)


def _signing_key(environ: Mapping[str, str], in_azure: bool) -> str:
    key = environ.get("SIGNING_KEY", "")
    if len(key) < 32 or (in_azure and key == SAMPLE_SIGNING_KEY):
        fix = "set it to at least 32 random characters, for instance the output of `openssl rand -base64 32`"
        raise ConfigurationError(f"SIGNING_KEY signs the links and tokens given to users: {fix}.")
    return key


def _public_url(environ: Mapping[str, str]) -> str:
    given = _url(environ, "PUBLIC_URL")
    if given:
        return given.rstrip("/")
    host = environ.get("WEBSITE_HOSTNAME", "localhost:7071")
    return f"{'http' if host.startswith(('localhost', '127.')) else 'https'}://{host}"


def _development(connection: str) -> str:
    """Spell out the short form that Core Tools knows and azure-data-tables does not."""
    return DEVELOPMENT_STORAGE if connection.strip().rstrip(";") == "UseDevelopmentStorage=true" else connection


def _url(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
        raise ConfigurationError(f"{name} is {value!r}: give a whole URL, such as https://example.org/path.")
    return value


def _boolean(environ: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in {"", "0", "1", "true", "false"}:
        raise ConfigurationError(f"{name} is {value!r}: give true or false.")
    return value in {"1", "true"} if value else default


def _integer(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "")
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}: give a whole number.") from None


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in _names(environ, name))


def _names(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """For what is spelt exactly."""
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())

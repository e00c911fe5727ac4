"""The bot SDK as its documentation has it: an adapter made from the factory, nothing kept between turns."""

from __future__ import annotations

from botbuilder.core import CloudAdapterBase
from botframework.connector.auth import (
    AuthenticationConfiguration,
    BotFrameworkAuthenticationFactory,
    PasswordServiceClientCredentialFactory,
)

ISSUER = "https://api.botframework.com"


class SdkAdapter(CloudAdapterBase):  # type: ignore[misc] # the SDK carries no types
    """CloudAdapter without its web server."""

    def __init__(self, app_id: str = "", metadata_url: str = "") -> None:
        credentials = PasswordServiceClientCredentialFactory(app_id, "")
        if not app_id:
            super().__init__(BotFrameworkAuthenticationFactory.create(credential_factory=credentials))
            return
        authority = "https://login.microsoftonline.com/botframework.com"
        super().__init__(
            BotFrameworkAuthenticationFactory.create(
                validate_authority=True,
                to_channel_from_bot_login_url=authority,
                to_channel_from_bot_oauth_scope=ISSUER,
                to_bot_from_channel_token_issuer=ISSUER,
                oauth_url="https://token.botframework.com",
                to_bot_from_channel_open_id_metadata_url=metadata_url,
                to_bot_from_emulator_open_id_metadata_url=metadata_url,
                caller_id="urn:botframework:azure",
                credential_factory=credentials,
                auth_configuration=AuthenticationConfiguration(),
            )
        )

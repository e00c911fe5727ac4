"""Starting the deliveries that a crash left written and not started."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone

from ringback.delivery.desk import START_GRACE, DeliveryDesk
from ringback.tables.notifications import Listing

log = logging.getLogger(__name__)
AT_ONCE = 16


async def recover_deliveries(desk: DeliveryDesk, grace: timedelta = START_GRACE) -> int:
    """Look at every listed delivery; the number of those that could not be looked at, each logged."""
    gate, now = asyncio.Semaphore(AT_ONCE), datetime.now(timezone.utc)

    async def recover(listing: Listing) -> None:
        # What was listed a moment ago belongs to a door that may be starting it right now.
        await asyncio.sleep(max(0.0, (listing.at + grace - now).total_seconds()))
        async with gate:
            await desk.recover(listing, now)

    listed = [listing async for listing in desk.index.listed()]
    results = await asyncio.gather(*map(recover, listed), return_exceptions=True)
    failed = [pair for pair in zip(listed, results, strict=True) if isinstance(pair[1], BaseException)]
    for listing, error in failed:
        log.error("delivery %s could not be recovered: %r", listing.delivery, error)
    return len(failed)

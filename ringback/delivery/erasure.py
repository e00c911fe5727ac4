"""Forgetting a person, and what was written to them.

    mark ▸ entity ▸ errand ▸ what waits ▸ addresses, conversations, aliases ▸ dead letters ▸ ledger ▸ operations

From the errand on the recovery timer finishes what a crash or a full minute left over. A pass that finds nothing more
to take away ends the errand: what a send in progress writes beside the first pass, the next one takes.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from ringback.delivery.ledger import Ledger, LedgerKey
from ringback.delivery.ledger_row import LedgerRow
from ringback.delivery.notification import CANCEL_EVENT, instance_of
from ringback.delivery.people import UserEntities, tell
from ringback.delivery.person import Erasure
from ringback.delivery.sending import dead_letter
from ringback.delivery.waiting import suppress, suppress_waiting
from ringback.errors import RetryableError
from ringback.operations.desk import DurableEngine
from ringback.operations.erasure import erase_operations
from ringback.tables.addresses import AddressTable
from ringback.tables.aliases import AliasTable
from ringback.tables.dead_letters import DeadLetterTable
from ringback.tables.engagement import EngagementTable
from ringback.tables.errands import ERASE, Errand, ErrandTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import Tables
from ringback.tables.users import UserTable

log = logging.getLogger(__name__)
ERASED = "erased"
REASON = f"{ERASED}: this person asked to be forgotten"
# What a request erases at once, and a turn of the recovery timer.
AT_A_REQUEST, AT_A_TURN = 200, 5_000
AT_ONCE = 8


async def erase_user(tables: Tables, engine: DurableEngine, entities: UserEntities, user: str, now: datetime) -> None:
    """Forget a person: from the return on nothing goes out, and the rest of what they were sent goes within minutes.

    Safe to repeat. The marks come first, so that nothing goes out while the rest is taken away.
    """
    await UserTable(tables).erase(user)
    await tell(entities, user, "erase", Erasure(at=now))
    await _pass(tables, engine, await ErrandTable(tables).add(ERASE, user, now), AT_A_REQUEST)


async def continue_erasure(tables: Tables, engine: DurableEngine, errand: Errand) -> bool:
    """One more pass; True when it found nothing more to take away, and the errand is done."""
    errand, found = await _pass(tables, engine, errand, AT_A_TURN)
    if found + await _erase_letters(tables, errand):
        return False
    await ErrandTable(tables).done(errand)
    return True


async def _pass(tables: Tables, engine: DurableEngine, errand: Errand, most: int) -> tuple[Errand, int]:
    """The errand as it is now, and how many deliveries and operations were not yet what an erasure leaves of them."""
    person = await UserTable(tables).get(errand.user)
    if not errand.begun and person is not None and person.erased:
        # Who has written since is somebody new: what is theirs now stays.
        await suppress_waiting(tables, engine, errand.user, reason=REASON)
        await AddressTable(tables).erase(errand.user)
        await ReferenceTable(tables).erase(errand.user)
        await AliasTable(tables).erase(errand.user)
        errand = await ErrandTable(tables).begun(errand)
    deliveries = await _erase_ledger(tables, engine, errand, most)
    return errand, deliveries + await erase_operations(tables, engine, errand.user, errand.at)


async def _erase_letters(tables: Tables, errand: Errand) -> int:
    """How many there were that a send in progress, or a crash, left behind: this looks through all dead letters."""
    table, ledger, found = DeadLetterTable(tables), Ledger(tables), 0
    for letter in await table.of(errand.user):
        row = await ledger.get(errand.user, letter.delivery)
        if row is None or row.erased:
            await table.remove(letter)
            found += 1
    return found


async def _erase_ledger(tables: Tables, engine: DurableEngine, errand: Errand, most: int) -> int:
    """How many rows were not yet what an erasure leaves of them; at most `most` are looked at."""
    gate, jobs = asyncio.Semaphore(AT_ONCE), list[LedgerKey]()

    async def one(key: LedgerKey) -> None:
        async with gate:
            await _erase_row(tables, engine, errand, key)

    async for key in Ledger(tables).keys(errand.user):
        if not key.purged and (key.created_at is None or key.created_at <= errand.at):
            jobs.append(key)
        if len(jobs) >= most:
            break
    await asyncio.gather(*map(one, jobs))
    if jobs:
        log.info("erasing user %s: %d deliveries in this pass", errand.user, len(jobs))
    return len(jobs)


async def _erase_row(tables: Tables, engine: DurableEngine, errand: Errand, key: LedgerKey) -> None:
    """Take a row's presses, letter and content, then its rounds' histories; what is being sent waits for the next."""
    ledger = Ledger(tables)
    row = await ledger.get(errand.user, key.id)
    if row is not None and not row.is_final:
        row = await suppress(ledger, errand.user, key.id, REASON)
    if row is None:
        return
    try:
        if not row.erased:
            await EngagementTable(tables).erase(row.id, row.created_at)
            if row.state == "failed":
                await DeadLetterTable(tables).remove(dead_letter(row))
            row = await ledger.erase(row)
        if await _purged(engine, row):
            await ledger.erase(row, purged=True)
    except RetryableError:
        log.info("delivery %s was written by others while it was erased", key.id)


async def _purged(engine: DurableEngine, row: LedgerRow) -> bool:
    """Whether no orchestration of this delivery is left; one that still runs is told to end."""
    gone = True
    for number in range(row.round + 1):
        instance = instance_of(row.id, number)
        if not await engine.purge(instance):
            await engine.raise_event(instance, CANCEL_EVENT, {"reason": REASON})
            gone = False
    return gone

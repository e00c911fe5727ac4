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
    errand = await ErrandTable(tables).add(ERASE, user, now)
    await continue_erasure(tables, engine, errand, most=AT_A_REQUEST)


async def continue_erasure(tables: Tables, engine: DurableEngine, errand: Errand, most: int = AT_A_TURN) -> bool:
    """One pass; True when it found nothing more to take away, and the errand is done."""
    person = await UserTable(tables).get(errand.user)
    if not errand.begun and person is not None and person.erased:
        # Who has written since is somebody new: what is theirs now stays.
        await suppress_waiting(tables, engine, errand.user, reason=REASON)
        await AddressTable(tables).erase(errand.user)
        await ReferenceTable(tables).erase(errand.user)
        await AliasTable(tables).erase(errand.user)
        errand = await ErrandTable(tables).begun(errand)
    counts = [
        await _erase_letters(tables, errand),
        await _erase_ledger(tables, engine, errand, most),
        await erase_operations(tables, engine, errand.user, errand.at),
    ]
    if any(counts):
        return False
    await ErrandTable(tables).done(errand)
    return True


async def _erase_letters(tables: Tables, errand: Errand) -> int:
    table = DeadLetterTable(tables)
    letters = [letter for letter in await table.of(errand.user) if letter.failed_at <= errand.at]
    for letter in letters:
        await table.remove(letter)
    return len(letters)


async def _erase_ledger(tables: Tables, engine: DurableEngine, errand: Errand, most: int) -> int:
    """How many rows were not yet what an erasure leaves of them; at most `most` are looked at."""
    ledger, presses, gate, found = Ledger(tables), EngagementTable(tables), asyncio.Semaphore(AT_ONCE), 0

    async def one(key: LedgerKey) -> None:
        async with gate:
            await _erase_row(ledger, presses, engine, errand, key)

    jobs: list[LedgerKey] = []
    async for key in ledger.keys(errand.user):
        if key.purged or (key.created_at is not None and key.created_at > errand.at):
            continue
        found += 1
        jobs.append(key)
        if found >= most:
            break
    await asyncio.gather(*map(one, jobs))
    if found:
        log.info("erasing user %s: %d deliveries in this pass", errand.user, found)
    return found


async def _erase_row(
    ledger: Ledger, presses: EngagementTable, engine: DurableEngine, errand: Errand, key: LedgerKey
) -> None:
    """Take a row's presses and content, then its rounds' histories; what is being sent waits for the next pass."""
    row = await ledger.get(errand.user, key.id)
    if row is None:
        return
    if not row.is_final:
        row = await suppress(ledger, errand.user, key.id, REASON)
    if row is None:
        return
    try:
        if not row.erased:
            await presses.erase(row.id, row.created_at)
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

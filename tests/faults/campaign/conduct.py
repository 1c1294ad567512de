"""Runs a plan: each fault, the recovery from it, and the reckoning."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from random import Random

import httpx

from tests.faults.campaign.arena import Arena
from tests.faults.campaign.audit import audit
from tests.faults.campaign.faults import Fault
from tests.faults.campaign.load import EndlessLoad
from tests.faults.campaign.plan import Plan
from tests.faults.campaign.readers import RollingReaders
from tests.faults.campaign.reckoning import STALE, Reckoning
from tests.faults.campaign.report import Report
from tests.faults.stand import Stand, until

OnFault = Callable[[str], None]

AUDITS_EVERY = 10
"""Reckonings after which `audit verify`, which folds all of the log anew, has its say as well."""
KEEPS_REDIS = 0.3
"""How often, after a fault, the state of Redis is kept to be put back some time."""


async def conduct(stand: Stand, plan: Plan, seed: int, on_fault: OnFault) -> Report:
    """Inject all faults under load, and say what came of it; stops at one without recovery."""
    report = Report(seed)
    async with _at_work(stand, seed) as arena:
        reckoning = Reckoning(stand.world, arena.load)
        settled = count(1)
        lot = Random(seed)  # noqa: S311  the same choices again for the same seed
        try:
            for faults in plan:
                on_fault(" + ".join(fault.name for fault in faults))
                if any(fault.rereads for fault in faults):
                    await _settle(arena, reckoning)
                    if next(settled) % AUDITS_EVERY == 0:
                        report.lost += await audit(stand)
                    arena.load.resume()
                await _inject(arena, faults, lot, report)
            on_fault("reckoning")
            await _settle(arena, reckoning)
            report.lost += await audit(stand)
        except TimeoutError:
            report.unrecovered.append(" + ".join(fault.name for fault in faults))
        _sum_up(report, arena, reckoning)
    return report


@asynccontextmanager
async def _at_work(stand: Stand, seed: int) -> AsyncIterator[Arena]:
    load = EndlessLoad(stand.world.kafka.bootstrap_servers, stand.world.events, seed)
    stand.launch()
    async with stand.client() as client, asyncio.TaskGroup() as tasks:
        readers = RollingReaders(client, load, stand.api_keys, files=0)
        await until(readers.is_ready)
        tasks.create_task(asyncio.to_thread(load.run))
        tasks.create_task(readers.run())
        await stand.has_moved_on()
        try:
            yield Arena(stand, load, readers)
        finally:
            readers.stop()
            load.stop()


async def _settle(arena: Arena, reckoning: Reckoning) -> None:
    generation = await arena.rest()
    await reckoning.settle(generation, arena.reached)


async def _inject(arena: Arena, faults: tuple[Fault, ...], lot: Random, report: Report) -> None:
    kind = faults[0].name if len(faults) == 1 else "two at once"
    async with AsyncExitStack() as stack:
        for fault in faults:
            await stack.enter_async_context(fault.inject(arena, lot))
        began = time.monotonic()
        await arena.recovered()
        report.seconds[kind].append(time.monotonic() - began)
    report.faults += len(faults)
    if lot.random() < KEEPS_REDIS:
        arena.keep_redis()
    await arena.stand.has_moved_on()


def _sum_up(report: Report, arena: Arena, reckoning: Reckoning) -> None:
    outcomes = reckoning.outcomes
    report.counts = {
        "acknowledged": arena.load.acknowledged,
        "applied": outcomes["applied"] + outcomes["log_line"],
        "signs_of_life": outcomes["sign_of_life"],
        "without_effect": outcomes["unchanged"],
        "duplicates_absorbed": reckoning.duplicates,
        "stale_refused": sum(outcomes[reason] for reason in STALE),
        "dead_lettered": reckoning.dead_letters,
        "foreign_skipped": outcomes["foreign"],
        "answers_200": arena.readers.answers[httpx.codes.OK],
        "answers_404": arena.readers.answers[httpx.codes.NOT_FOUND],
        "answers_503": arena.readers.answers[httpx.codes.SERVICE_UNAVAILABLE],
        "unanswered": arena.readers.unanswered,
    }
    report.lost += reckoning.lost + arena.differing
    report.lies += arena.readers.lies
    report.crashes += arena.crashes

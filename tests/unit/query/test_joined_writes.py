import asyncio
from typing import Any

from milepost_query.edge.joined_writes import JoinedWrites


class Written(asyncio.Transport):
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True


async def test_a_head_and_the_body_behind_it_are_one_write() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(b"head")
    joined.write(b"body")
    await asyncio.sleep(0)
    assert written.writes == [b"headbody"]


async def test_a_head_whose_body_is_still_to_come_goes_out_alone_and_at_once() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(b"head")
    await asyncio.sleep(0)
    assert written.writes == [b"head"]
    joined.write(b"chunk")
    await asyncio.sleep(0)
    assert written.writes == [b"head", b"chunk"]


async def test_what_is_held_back_goes_out_before_the_end() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(b"head")
    joined.close()
    await asyncio.sleep(0)
    assert written.writes == [b"head"]
    assert written.is_closed

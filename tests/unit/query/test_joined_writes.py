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


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
HEAD_OF_A_STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_a_head_and_the_body_behind_it_are_one_write() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(HEAD)
    joined.write(b"body")
    joined.release()
    assert written.writes == [HEAD + b"body"]


def test_the_head_and_the_chunks_of_a_stream_go_out_at_once() -> None:
    written = Written()
    joined = JoinedWrites(written)
    for chunk in (HEAD_OF_A_STREAM, b"one", b"two"):
        joined.write(chunk)
    assert written.writes == [HEAD_OF_A_STREAM, b"one", b"two"]


def test_a_head_without_a_body_goes_out_at_the_end_of_the_answer() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(HEAD)
    joined.release()
    joined.write(b"next")
    assert written.writes == [HEAD, b"next"]


def test_what_is_held_back_goes_out_before_the_connection_is_closed() -> None:
    written = Written()
    joined = JoinedWrites(written)
    joined.write(HEAD)
    joined.close()
    assert written.writes == [HEAD]
    assert written.is_closed

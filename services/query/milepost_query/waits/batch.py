"""A batch: the files that a request asks for all at once, and the body that answers it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from starlette.types import Receive

from milepost_query.addresses import FileAddress
from milepost_query.edge.edge import MAX_BODY_BYTES, content_too_large
from milepost_query.problems import VALIDATION_ERROR, ProblemError
from milepost_query.status import Status

MAX_FILES: Final = 500
NOT_FOUND: Final = b'"not_found"'


class Batch(msgspec.Struct, frozen=True):
    """The body of a request; what else it holds is ignored."""

    file_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_FILES)]
    until: Literal["any", "all"] = "all"
    """Whose end a request that waits is waiting for."""


_decoder = msgspec.json.Decoder(Batch)
_encode = msgspec.json.Encoder().encode


async def received_batch(receive: Receive) -> Batch:
    """Reads the body of a request.

    Raises:
        ProblemError: 413, or 422 with the place of what is wrong and without the values.
    """
    body = bytearray()
    more_body = True
    while more_body:
        event = await receive()
        body += event.get("body", b"")
        more_body = event.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise content_too_large()
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise _invalid(str(error), "json") from error
    except UnicodeDecodeError as error:
        raise _invalid("Not encoded in UTF-8", "json") from error


def answer_body(
    addresses: Sequence[FileAddress], found: Mapping[FileAddress, Status | None]
) -> bytes:
    """Each id with its status object or `not_found`, in the order of the request."""
    entries = [
        b"%b:%b" % (_name(address), NOT_FOUND if status is None else status.body)
        for address, status in zip(addresses, map(found.get, addresses), strict=True)
    ]
    return b'{"files":{%b}}' % b",".join(entries)


def _name(address: FileAddress) -> bytes:
    # A well-formed id has nothing to escape.
    if address.is_well_formed:
        return b'"%b"' % address.file_id.encode()
    return _encode(address.file_id)


def _invalid(reason: str, kind: str) -> ProblemError:
    return ProblemError(
        VALIDATION_ERROR, {"errors": [{"loc": ["body"], "msg": reason, "type": kind}]}
    )

from math import inf
from typing import Any

import pytest

from milepost_query.access.credential import Credential
from milepost_query.access.places import Places
from milepost_query.problems import ProblemError


def caller(name: str) -> Credential:
    return Credential(name, "org_xyz789", frozenset(), inf)


def refused(places: Places, name: str) -> dict[str, Any]:
    with pytest.raises(ProblemError) as refusal, places.taken_by(caller(name)):
        pass
    assert refusal.value.problem.code == "RATE_LIMIT_EXCEEDED"
    return dict(refusal.value.details)


def test_a_caller_gets_no_more_than_its_places_and_others_still_get_theirs() -> None:
    places = Places("waits", in_all=10, per_caller=2)

    with places.taken_by(caller("one")), places.taken_by(caller("one")):
        details = refused(places, "one")
        with places.taken_by(caller("other")):
            taken = places.taken

    assert details == {"retry_after": 1, "limited": "waits", "bound": "per_caller", "limit": 2}
    assert taken == 3


def test_all_callers_together_get_no_more_than_there_are() -> None:
    places = Places("streams", in_all=2, per_caller=2)

    with places.taken_by(caller("one")), places.taken_by(caller("other")):
        details = refused(places, "third")

    assert details == {"retry_after": 1, "limited": "streams", "bound": "in_all", "limit": 2}


def test_a_place_is_given_back_however_the_request_ends() -> None:
    places = Places("waits", in_all=1, per_caller=1)

    with pytest.raises(ConnectionResetError), places.taken_by(caller("one")):
        raise ConnectionResetError

    assert places.taken == 0
    with places.taken_by(caller("one")):
        assert places.taken == 1

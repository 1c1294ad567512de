import subprocess
import sys

import pytest

import milepost


def test_asking_for_statuses_loads_no_kafka_client() -> None:
    program = (
        "import sys; from milepost import Milepost, AsyncMilepost;"
        "print(sorted({'aiokafka', 'typer', 'pydantic_settings'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", milepost.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(milepost, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = milepost.nonsense

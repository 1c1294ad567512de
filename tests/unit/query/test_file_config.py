import pytest

from milepost.errors import ProcessingError
from milepost_pipeline.filetypes import check_name, guess_mime_type
from milepost_pipeline.settings import Settings
from milepost_query.file_config import Limits, file_config
from milepost_query.settings import QuerySettings
from milepost_schemas.filetypes import SUPPORTED_TYPES

CONFIG = file_config(Limits())


@pytest.mark.parametrize(
    ("name", "extension"),
    [(name, each) for name, type_ in CONFIG.supported_types.items() for each in type_.extensions],
)
def test_what_is_told_to_be_supported_is_read(name: str, extension: str) -> None:
    check_name(f"a{extension}")

    assert guess_mime_type(f"a{extension}") == SUPPORTED_TYPES[name].mime_type


@pytest.mark.parametrize(
    "extension",
    [each for category in CONFIG.unsupported_categories for each in category.extensions],
)
def test_what_is_told_to_be_unsupported_is_refused(extension: str) -> None:
    with pytest.raises(ProcessingError):
        check_name(f"a{extension}")


def test_both_have_the_same_largest_file_unless_it_is_set() -> None:
    field = "max_file_bytes"

    assert QuerySettings.model_fields[field].default == Settings.model_fields[field].default
    assert Limits().max_file_bytes == Settings.model_fields[field].default
    assert QuerySettings.model_config["env_prefix"] == Settings.model_config["env_prefix"]

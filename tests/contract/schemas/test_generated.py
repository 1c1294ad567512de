import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from milepost_schemas.__main__ import generated_files
from milepost_schemas.dead_letter import DeadLetterFacts, ValueDigest, fact_headers
from milepost_schemas.document import Document
from milepost_schemas.events import TYPES, Event
from milepost_schemas.fold import fold
from milepost_schemas.status_record import encode_status, status_headers
from milepost_schemas.times import parse_time_ms
from milepost_schemas.topics import TOPICS
from tests.contract.schemas.examples import Example, load, paths, valid_examples
from tests.fixtures.workload import histories

GENERATED = Path(__file__).parents[3] / "schemas" / "generated"

formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or parse_time_ms(value) is not None


def schema_of(type_: str) -> dict[str, Any]:
    text = (GENERATED / "events" / f"{type_}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validator(type_: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(type_), format_checker=formats)


def invalid_examples() -> list[tuple[str, Example]]:
    """Examples whose data alone is at fault."""
    examples = [(path.stem, load(path)) for path in paths()]
    return [(name, example) for name, example in examples if example.invalid == "invalid_data"]


@cache
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GENERATED / "asyncapi.json").read_text("utf-8"))
    return document


@pytest.mark.parametrize(("name", "text"), generated_files().items())
def test_what_is_checked_in_is_what_the_code_says(name: str, text: str) -> None:
    path = GENERATED / name

    assert path.exists(), "missing: run `make generate`"
    assert path.read_text(encoding="utf-8") == text, "out of date: run `make generate`"


def test_no_schema_is_left_of_a_type_that_is_no_more() -> None:
    found = {f"events/{path.name}" for path in (GENERATED / "events").iterdir()}

    assert found == {name for name in generated_files() if name.startswith("events/")}, (
        "run `make generate`"
    )


def test_the_command_writes_all_files_and_removes_old_ones(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "milepost.file.renamed.v1.json").write_text("{}")

    subprocess.run([sys.executable, "-m", "milepost_schemas", tmp_path], check=True)

    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")}
    assert written == set(generated_files())


def test_the_command_without_a_directory_says_how_to_use_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "milepost_schemas"], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert ran.stderr == "usage: python -m milepost_schemas DIRECTORY\n"


@pytest.mark.parametrize("type_", TYPES)
def test_a_schema_is_valid_and_is_what_ce_dataschema_names(type_: str) -> None:
    schema = schema_of(type_)

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:milepost:schema:{type_}"


@pytest.mark.parametrize("type_", TYPES)
def test_everything_in_a_schema_is_described(type_: str) -> None:
    schema = schema_of(type_)

    for struct in (schema, *schema.get("$defs", {}).values()):
        assert struct["description"].endswith(".")
        assert "additionalProperties" not in struct
        for field, properties in struct["properties"].items():
            assert properties["description"].endswith("."), field


@pytest.mark.parametrize(("name", "example"), valid_examples())
def test_the_data_of_a_valid_example_fits_its_schema(name: str, example: Example) -> None:
    assert example.event is not None
    sent = example.record.value
    data = sent if "ce_type" in example.record.headers else sent["data"]

    for said in (data, example.event.data):
        assert list(validator(example.event.type).iter_errors(said)) == [], name


@pytest.mark.parametrize(("name", "example"), invalid_examples())
def test_the_data_of_an_invalid_example_fits_no_schema(name: str, example: Example) -> None:
    type_ = example.record.headers["ce_type"]
    assert type_ is not None
    text = example.record.value_text
    value = json.loads(text) if isinstance(text, str) else example.record.value

    assert not validator(type_).is_valid(value), name


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    assert reference.startswith("#/")
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    return node


def test_the_asyncapi_document_has_what_version_3_demands() -> None:
    document = asyncapi()

    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    assert set(document) <= {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert set(operation["channel"]) == {"$ref"}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    found = list(references(document))

    assert found
    for reference in found:
        assert resolve(document, reference)


def test_an_operation_has_only_messages_of_its_channel() -> None:
    document = asyncapi()

    for operation in document["operations"].values():
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/")


def test_the_channels_are_the_topics_as_they_are_created() -> None:
    channels = {channel["address"]: channel for channel in asyncapi()["channels"].values()}

    assert set(channels) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        kafka = channels[topic.name]["bindings"]["kafka"]
        said = {
            name: ",".join(setting) if isinstance(setting, list) else str(setting)
            for name, setting in kafka["topicConfiguration"].items()
        }
        assert (kafka["topic"], kafka["partitions"]) == (topic.name, topic.partitions)
        assert said == topic.configs


@pytest.mark.parametrize(
    ("name", "example"),
    [(name, example) for name, example in valid_examples() if "ce_type" in example.record.headers],
)
def test_an_example_is_a_message_of_the_asyncapi_document(name: str, example: Example) -> None:
    document = asyncapi()
    assert example.event is not None
    message = next(
        message
        for message in document["components"]["messages"].values()
        if message["name"] == example.event.type
    )
    headers = {name: text for name, text in example.record.headers.items() if text is not None}
    key = message["bindings"]["kafka"]["key"]

    for part, said in (
        (message["headers"], headers),
        (message["payload"], example.record.value),
        (key, example.record.key),
    ):
        schema = {**part, "components": document["components"]}
        assert Draft202012Validator(schema).is_valid(said), name


def message(title: str) -> dict[str, Any]:
    messages = asyncapi()["components"]["messages"].values()
    found: dict[str, Any] = next(each for each in messages if each["title"] == title)
    return found


def errors(part: dict[str, Any], said: object) -> list[Any]:
    return list(_validator(json.dumps(part)).iter_errors(said))


@cache
def _validator(part: str) -> Draft202012Validator:
    schema = {**json.loads(part), "components": asyncapi()["components"]}
    return Draft202012Validator(schema, format_checker=formats)


def texts(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    return {name: text.decode() for name, text in headers}


def documents() -> Iterator[Document]:
    """Every kind of document, as histories of files come to it."""
    for history in histories(30, seed=21):
        document = Document(history[0].organization_id, history[0].store_id, history[0].file_id)
        for offset, data in enumerate(history):
            fold(document, Event(f"{offset}", "/tests", None, data), offset, offset * 1000)
            if document.revision:
                yield document


def test_every_status_is_a_message_of_the_asyncapi_document() -> None:
    seen = set()
    for document in documents():
        title = "DeletedFile" if document.is_deleted else "FileDocument"
        seen.add(title if document.is_deleted else document.status)
        said = message(title)

        assert errors(said["headers"], texts(status_headers(document, generation=3))) == []
        assert errors(said["payload"], json.loads(encode_status(document))) == []
    assert seen == {"pending", "processing", "completed", "failed", "DeletedFile"}


def test_a_status_with_a_field_less_is_no_message() -> None:
    status = json.loads(encode_status(next(documents())))

    for field in status:
        less = {name: said for name, said in status.items() if name != field}
        assert errors(message("FileDocument")["payload"], less), field


def test_everything_in_a_status_is_described() -> None:
    schemas = asyncapi()["components"]["schemas"]

    for name in ("FileDocument", "DeletedFile", "StepWeight", "StepReport", "FailureReport"):
        assert schemas[name]["description"].endswith(".")
        for field, properties in schemas[name]["properties"].items():
            assert properties["description"].endswith("."), f"{name}.{field}"


@pytest.mark.parametrize("digest", [None, ValueDigest.of(b"large")])
def test_the_headers_of_a_dead_letter_are_those_of_the_asyncapi_document(
    digest: ValueDigest | None,
) -> None:
    facts = DeadLetterFacts("too_large", "5 bytes", "milepost.events.v1", 0, 7, "0.1.0", 0, digest)
    headers = texts(fact_headers(facts))
    schema = message("DeadLetter")["headers"]

    assert errors(schema, headers) == []
    described = asyncapi()["components"]["schemas"]["DeadLetterHeaders"]["properties"]
    assert set(headers) <= set(described)
    assert errors(schema, headers | {"milepost-source-offset": "seven"})


def test_every_channel_has_messages_and_an_operation() -> None:
    document = asyncapi()

    assert all(channel["messages"] for channel in document["channels"].values())
    operated = {operation["channel"]["$ref"] for operation in document["operations"].values()}
    assert operated == {f"#/channels/{name}" for name in document["channels"]}

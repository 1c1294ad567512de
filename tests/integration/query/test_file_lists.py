from itertools import product

import httpx

from milepost_schemas.checkpoint import Checkpoint
from milepost_schemas.document import Document
from milepost_schemas.http import FileList
from milepost_schemas.times import parse_time_ms
from tests.integration.query.files import STORE, failed, processing
from tests.integration.query.projected import ProjectedFiles
from tests.integration.query.running import ORGANIZATION, particular_headers

LIST = f"/v1/organizations/{ORGANIZATION}/stores/{STORE}/files"
CREATED = parse_time_ms("2025-06-15T10:00:00Z") // 1000

PROCESSING = (
    '{"file_id":"file_1","name":"Jahresbericht „2025“.pdf","size":1048576,'
    '"mime_type":"application/pdf","relative_path":"reports/2025","status":"processing",'
    '"progress_percent":50,"current_step":"embedding","error_message":null,'
    '"created_at":"2025-06-15T10:00:02Z","processed_at":null}'
)
FAILED = (
    '{"file_id":"file_2","name":null,"size":null,"mime_type":null,"relative_path":null,'
    '"status":"failed","progress_percent":20,"current_step":"extracting",'
    '"error_message":"Das PDF ist geschützt: „Passwort“ entfernen.",'
    '"created_at":"2025-06-15T10:00:01Z","processed_at":"2025-06-15T10:02:30Z"}'
)


def file(number: int, **changes: object) -> Document:
    document = Document(
        ORGANIZATION, STORE, f"file_{number}", revision=1, created_at=CREATED + number
    )
    for name, value in changes.items():
        setattr(document, name, value)
    return document


async def ids(client: httpx.AsyncClient, **query: object) -> list[str]:
    response = await client.get(LIST, params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.text
    return [item["file_id"] for item in response.json()["items"]]


async def test_a_list_is_answered_byte_by_byte(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    registered = processing(
        file_id="file_1",
        created_at=CREATED + 2,
        name="Jahresbericht „2025“.pdf",
        size_bytes=1_048_576,
        mime_type="application/pdf",
        relative_path="reports/2025",
    )
    bare = failed()
    bare.file_id, bare.created_at = "file_2", CREATED + 1
    await projected.put(registered, bare, file(0))

    response = await reader.get(LIST, params={"limit": "2"})

    body = f'{{"items":[{PROCESSING},{FAILED}],"total":3,"skip":0,"limit":2,"has_more":true}}'
    assert response.content.decode() == body
    assert FileList.model_validate_json(body).model_dump_json() == body


async def test_a_store_without_files_is_an_empty_list(reader: httpx.AsyncClient) -> None:
    response = await reader.get(LIST)

    assert response.content == b'{"items":[],"total":0,"skip":0,"limit":20,"has_more":false}'


async def test_the_headers_tell_how_fresh_all_partitions_are(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    times = [parse_time_ms(f"2025-06-15T10:00:0{n}.042Z") for n in (7, 5, 6, 8)]
    for number, as_of_ms in enumerate(times):
        await projected.move(number, Checkpoint(40, as_of_ms, 40 + number))

    response = await reader.get(LIST, headers={"x-request-id": "same"})

    assert particular_headers(response) == {
        "content-length": "59",
        "content-type": "application/json",
        "milepost-as-of": "2025-06-15T10:00:05.042Z",
        "milepost-lag": "6",
        "cache-control": "private, no-cache",
        "x-request-id": "same",
    }


async def test_pages_follow_each_other_without_gap_or_overlap(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    # Three files a second, so that ties are everywhere.
    seconds = {f"file_{number}": CREATED + number * 7 % 50 // 3 for number in range(50)}
    await projected.put(
        *(file(number, created_at=seconds[f"file_{number}"]) for number in range(50))
    )
    expected = sorted(seconds, key=lambda file_id: (seconds[file_id], file_id), reverse=True)

    for limit in (1, 7, 100):
        pages = [await ids(reader, skip=skip, limit=limit) for skip in range(0, 50, limit)]
        assert [file_id for page in pages for file_id in page] == expected


async def test_a_page_says_whether_there_are_more(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(*(file(number) for number in range(5)))

    pages = [
        (await reader.get(LIST, params={"skip": skip, "limit": "2"})).json() for skip in "0239"
    ]

    assert [page["has_more"] for page in pages] == [True, True, False, False]
    assert [len(page["items"]) for page in pages] == [2, 2, 2, 0]
    assert {page["total"] for page in pages} == {5}


async def test_files_that_all_lie_in_one_partition_are_listed_alike(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    files = [file(number) for number in range(2_000)]
    of_one = [each for each in files if projected.partition_of(each) == 0]
    await projected.put(*of_one)
    newest_first = [each.file_id for each in reversed(of_one)]

    assert len(of_one) > 300
    assert await ids(reader, limit=100) == newest_first[:100]
    assert await ids(reader, skip=250, limit=100) == newest_first[250:350]


async def test_a_list_of_one_status_has_the_files_that_are_in_it(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    statuses = ["pending", "processing", "completed", "failed"]
    await projected.put(*(file(number) for number in range(12)))
    await projected.put(
        *(file(number, status=statuses[number % 4], revision=2) for number in range(12))
    )

    for first, status in enumerate(statuses):
        page = (await reader.get(LIST, params={"status": status, "limit": "2"})).json()
        found = [(item["file_id"], item["status"]) for item in page["items"]]
        assert found == [(f"file_{first + 8}", status), (f"file_{first + 4}", status)]
        assert page["total"] == 3


async def test_a_deleted_file_is_in_no_list(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.put(file(1), file(2))
    await projected.put(file(1, deleted_at=CREATED))

    assert await ids(reader) == ["file_2"]
    assert await ids(reader, search="file") == []


async def test_a_file_that_left_the_list_after_its_index_was_read_is_not_shown(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    strange = file(3, organization_id="org_stranger", name="a")
    await projected.put(
        file(1, name="a"), file(2, name="a", deleted_at=CREATED), strange, file(4, status="failed")
    )
    for each in (file(2), strange, file(5)):
        await projected.mislist(each)
        await projected.mislist(each, status="pending")
    await projected.mislist(file(4), status="pending")

    assert await ids(reader) == ["file_4", "file_1"]
    assert await ids(reader, status="pending") == ["file_1"]
    assert await ids(reader, search="a") == ["file_1"]
    assert await ids(reader, search="a", status="pending") == ["file_1"]


async def test_a_search_finds_names_whatever_the_case(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    names = ["report.pdf", "Report 2025.pdf", "Straße.md", "ÜBER 2025.txt", None]
    await projected.put(*(file(number, name=name) for number, name in enumerate(names)))

    for search, found in (
        ("report", ["file_1", "file_0"]),
        ("REPORT", ["file_1", "file_0"]),
        ("2025", ["file_3", "file_1"]),
        ("STRASSE", ["file_2"]),
        ("über", ["file_3"]),
        ("u\u0308ber", ["file_3"]),
        ("no such file", []),
    ):
        response = await reader.get(LIST, params={"search": search})
        assert [item["file_id"] for item in response.json()["items"]] == found, search
        assert response.json()["total"] == len(found)
        assert "milepost-search-truncated" not in response.headers


async def test_hits_have_pages_and_a_status_like_other_lists(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    kinds = list(product(["completed", "pending"], ["a", "b"], range(5)))
    await projected.put(
        *(
            file(number, status=status, name=f"{letter}.txt")
            for number, (status, letter, _) in enumerate(kinds)
        )
    )

    response = await reader.get(
        LIST, params={"search": "A.", "status": "completed", "skip": "2", "limit": "2"}
    )

    assert [item["file_id"] for item in response.json()["items"]] == ["file_2", "file_1"]
    assert (response.json()["total"], response.json()["has_more"]) == (5, True)


async def test_a_search_says_that_it_looked_at_the_newest_only(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    names = ["oldest.txt", *(f"{number}.txt" for number in range(10_000))]
    await projected.put(*(file(number, name=name) for number, name in enumerate(names)))

    response = await reader.get(LIST, params={"search": ".TXT", "skip": "9999", "limit": "2"})
    assert [item["name"] for item in response.json()["items"]] == ["0.txt"]
    assert (response.json()["total"], response.json()["has_more"]) == (10_000, False)
    assert response.headers["milepost-search-truncated"] == "true"

    deep = await reader.get(LIST, params={"skip": "10000"})
    assert [item["name"] for item in deep.json()["items"]] == ["oldest.txt"]


async def test_what_is_out_of_bounds_is_422(reader: httpx.AsyncClient) -> None:
    for query in (
        *("skip=-1", "skip=10001", "skip=a", "limit=0", "limit=101"),
        *("status=done", "status=", f"search={'a' * 256}"),
    ):
        response = await reader.get(f"{LIST}?{query}")

        assert response.status_code == 422, query
        error = response.json()["error"]
        assert error["code"] == "VALIDATION_ERROR"
        assert error["details"]["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_a_store_that_cannot_exist_is_not_found(reader: httpx.AsyncClient) -> None:
    response = await reader.get(LIST.replace(STORE, "-"))

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "VECTOR_STORE_NOT_FOUND"
    assert response.json()["error"]["details"] == {"store_id": "-"}


async def test_one_partition_that_is_not_answered_from_is_503(
    reader: httpx.AsyncClient, projected: ProjectedFiles
) -> None:
    await projected.move(2, Checkpoint(40, 0, 40))
    assert (await reader.get(LIST)).status_code == 200

    await projected.move(2, Checkpoint(39, 0, 40))
    gone_back = await reader.get(LIST)
    await projected.move(2, Checkpoint(41, 0, 41, recover_to=50))
    recovering = await reader.get(LIST)

    for response in (gone_back, recovering):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"]["code"] == "READ_MODEL_NOT_READY"

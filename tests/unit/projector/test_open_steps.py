from milepost_projector.silence.open_steps import RECHECK_MS, SPARE, OpenSteps
from milepost_schemas.document import Document
from milepost_schemas.progress import Step

KEY = b"vs_1/file_1"
MINUTE_MS = 60_000


def at_work(signed_at_ms: int, *, max_silence_s: float | None = None) -> Document:
    step = Step("embedding", 0, max_silence_s=max_silence_s)
    return Document(
        "org_1", "vs_1", "file_1", 1, status="processing", steps=[step], signed_at_ms=signed_at_ms
    )


def waiting() -> Document:
    return Document("org_1", "vs_1", "file_1", 1)


def opened() -> OpenSteps:
    files = OpenSteps(60)
    files.note(KEY, at_work(1), 0)
    return files


def test_a_file_is_due_once_it_has_been_silent_for_as_long_as_it_may() -> None:
    files = opened()

    assert files.due(MINUTE_MS - 1, 10) == []
    assert files.due(MINUTE_MS, 10) == [KEY]


def test_a_sign_of_life_puts_it_off() -> None:
    files = opened()
    files.note(KEY, at_work(2), 50_000)

    assert files.due(50_000 + MINUTE_MS - 1, 10) == []
    assert files.due(50_000 + MINUTE_MS, 10) == [KEY]


def test_what_is_no_sign_of_life_puts_nothing_off() -> None:
    files = opened()
    files.note(KEY, at_work(1), 50_000)

    assert files.due(MINUTE_MS, 10) == [KEY]


def test_a_shorter_limit_brings_the_look_forward() -> None:
    files = opened()
    files.note(KEY, at_work(2, max_silence_s=5), 1_000)

    assert files.due(6_000, 10) == [KEY]


def test_a_file_that_is_due_comes_again_until_something_is_said_of_it() -> None:
    files = opened()

    assert files.due(MINUTE_MS, 10) == [KEY]
    assert files.due(MINUTE_MS + RECHECK_MS - 1, 10) == []
    assert files.due(MINUTE_MS + RECHECK_MS, 10) == [KEY]


def test_a_look_that_was_put_off_is_brought_forward_by_a_sign_of_life() -> None:
    files = opened()
    files.due(MINUTE_MS, 10)
    files.look_again(KEY, 15 * MINUTE_MS)

    assert files.due(14 * MINUTE_MS, 10) == []
    files.note(KEY, at_work(2), 2 * MINUTE_MS)
    assert files.due(3 * MINUTE_MS, 10) == [KEY]


def test_a_file_without_an_open_step_is_forgotten() -> None:
    files = opened()
    files.note(KEY, waiting(), 1)

    assert (len(files), files.due(MINUTE_MS, 10)) == (0, [])


def test_no_more_files_are_due_at_once_than_asked_for() -> None:
    files = OpenSteps(60)
    for number in range(5):
        files.note(b"%d" % number, at_work(1), number)

    assert files.due(MINUTE_MS + 4, 3) == [b"0", b"1", b"2"]
    assert files.due(MINUTE_MS + 4, 3) == [b"3", b"4"]


def test_signs_of_life_leave_no_dates_behind() -> None:
    files = opened()
    for number in range(10 * SPARE):
        files.note(KEY, at_work(number), number)

    assert len(files._dates) == 1


def test_files_that_came_and_went_leave_a_bounded_number_of_dates_behind() -> None:
    files = OpenSteps(86_400)
    for number in range(10 * SPARE):
        files.note(b"%d" % number, at_work(1), 0)
        files.note(b"%d" % number, waiting(), 0)

    assert len(files._dates) <= SPARE + 2

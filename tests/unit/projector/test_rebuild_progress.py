import io

import pytest
from rich.console import Console

from milepost_projector.rebuild.progress import Bar, Lines


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def test_lines_say_records_rate_and_remaining_time_now_and_then(
    clock: Clock, output: io.StringIO
) -> None:
    with Lines(Console(file=output, width=200), clock) as progress:
        progress.begin("Filling", 10_000)
        for now_s, done in ((0.0, 2_000), (1.0, 3_000), (5.0, 7_000), (6.0, 8_000)):
            clock.now_s = now_s
            progress.reach(done)

    assert output.getvalue() == "Filling: 7,000 of 10,000, 1,000/s, 3 s left\n"


def test_lines_say_how_much_is_done_where_nobody_knows_how_much_there_is(
    clock: Clock, output: io.StringIO
) -> None:
    with Lines(Console(file=output, width=200), clock) as progress:
        progress.begin("Removing", None)
        progress.reach(0)
        clock.now_s = 10.0
        progress.reach(500)

    assert output.getvalue() == "Removing: 500, 50/s\n"


def test_a_bar_shows_records_and_rate_on_a_terminal(clock: Clock, output: io.StringIO) -> None:
    console = Console(file=output, width=120, force_terminal=True)
    with Bar(console, clock) as progress:
        progress.begin("Filling", 10_000)
        progress.reach(2_000)
        clock.now_s = 5.0
        progress.reach(7_000)

    assert "7000/10000" in output.getvalue()
    assert "1,000/s" in output.getvalue()

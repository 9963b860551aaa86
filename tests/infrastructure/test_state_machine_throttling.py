"""A search on an account with few concurrent executions: nothing is lost for throttling (benchmarks/throttling.py)."""

import pytest

from benchmarks import throttling

RETRIERS = throttling.retriers()
CONCURRENCY = throttling.parameter("SearchConcurrency")
# What the definition said before: six tries, the longest wait 128 s.
SHORT = throttling.Retrier(interval=2, attempts=6, rate=2.0, jitter=True)


def rounds(retrier=RETRIERS["Train"], visitor=RETRIERS["Prepare"], runs=2, **size):
    return throttling.rounds(retrier, visitor, runs=runs, concurrency=CONCURRENCY, **size)


@pytest.mark.parametrize("seconds", throttling.SECONDS)
@pytest.mark.parametrize("tasks", throttling.TASKS)
@pytest.mark.parametrize("slots", throttling.SLOTS)
def test_no_task_is_lost_for_throttling(slots, tasks, seconds):
    for found in rounds(slots=slots, tasks=tasks, seconds=seconds):
        assert (found.lost, found.refused) == (0, False)
        # The lease holds for one round (three hours), and the account is used well.
        assert found.seconds < 3 * 3600
        assert found.seconds <= 1.25 * -(-tasks // min(slots, CONCURRENCY)) * seconds + 120


def test_nothing_is_lost_either_where_more_tasks_are_under_way_than_the_account_can_run():
    """SearchConcurrency may be raised beyond what is free."""
    found = throttling.rounds(
        RETRIERS["TrainTask"], RETRIERS["Prepare"], slots=9, tasks=1_000, seconds=60.0, concurrency=1_000, runs=2
    )

    assert [(item.lost, item.refused) for item in found] == [(0, False)] * 2


def test_six_tries_lose_tasks():
    """The model can say no: this is what a new account's ten executions did to a search before."""
    found = rounds(SHORT, SHORT, slots=9, tasks=100, seconds=60.0, runs=5)

    assert sum(item.lost for item in found) > 5


@pytest.mark.parametrize("mode", ["Train", "TrainTask"])
def test_both_ways_of_searching_wait_as_long(mode):
    assert RETRIERS[mode] == RETRIERS["Train"]
    assert RETRIERS[mode].jitter
    # A child of a Distributed Map has a history of its own.
    assert RETRIERS[mode].attempts * throttling.EVENTS_OF_A_TRY < throttling.MOST_EVENTS


def test_every_task_waits_for_an_instance_and_those_of_a_search_longest():
    for name, retrier in RETRIERS.items():
        assert retrier.jitter, name
        assert retrier.longest < float("inf"), name
        # On average: full jitter waits for half of the longest delay.
        assert retrier.attempts * retrier.longest / 2 >= 3600, name
        assert (retrier.attempts, retrier.longest) <= (RETRIERS["Train"].attempts, RETRIERS["Train"].longest), name


def test_an_inline_search_fits_into_the_history_of_an_execution_even_with_one_free_instance():
    worst = max(
        item.events
        for seconds in throttling.SECONDS
        for item in rounds(slots=1, tasks=throttling.inline_tasks(), seconds=seconds)
    )

    # What comes before and after: waiting for the lease (800 tries), a canary, some fifty states.
    assert worst * throttling.ROUNDS + 800 * throttling.EVENTS_OF_A_TRY + 2_000 < throttling.MOST_EVENTS


def test_the_same_seed_gives_the_same_rounds():
    size = {"slots": 9, "tasks": 40, "seconds": 33.0}

    assert rounds(**size) == rounds(**size)
    assert rounds(**size)[0] != rounds(**size)[1]


def test_full_jitter_waits_any_time_up_to_the_capped_power():
    class Highest:
        def uniform(self, low, high):
            return low, high

    retrier = throttling.Retrier(interval=2, attempts=9, rate=2.0, longest=10, jitter=True)
    assert [retrier.delay(n, Highest()) for n in range(5)] == [(0.0, end) for end in (2, 4, 8, 10, 10)]
    assert throttling.Retrier(interval=3, rate=2.0).delay(2, Highest()) == 12

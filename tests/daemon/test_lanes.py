"""Whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.lanes import AGE_S, Client, Schedule, Stage
from thumbd_protocol.items import Rank


def everything(schedule: Schedule[str], stage: Stage = Stage.LOOK, least: Rank = Rank.BACKGROUND) -> list[str]:
    taken = []
    while (turn := schedule.take(stage, 0.0, least)) is not None:
        taken.append(turn[0])
    return taken


def always(thing: str, stage: Stage) -> bool:
    return bool(thing) and stage in Stage


def test_the_more_urgent_lane_is_emptied_first() -> None:
    schedule: Schedule[str] = Schedule(always)
    later = schedule.open(Client(1, b"a"), Rank.NORMAL)
    now = schedule.open(Client(1, b"b"), Rank.CRITICAL)
    for name in "12":
        later.push(Stage.LOOK, "later" + name)
        now.push(Stage.LOOK, "now" + name)
    assert everything(schedule) == ["now1", "now2", "later1", "later2"]


def test_clients_of_one_rank_take_turns_however_much_each_has() -> None:
    schedule: Schedule[str] = Schedule(always)
    big, small = schedule.open(Client(1, b"big"), Rank.NORMAL), schedule.open(Client(1, b"small"), Rank.NORMAL)
    for n in range(4):
        big.push(Stage.LOOK, f"big{n}")
    small.push(Stage.LOOK, "small0")
    assert everything(schedule) == ["big0", "small0", "big1", "big2", "big3"]


def test_a_clients_own_lanes_go_in_the_order_of_their_opening() -> None:
    schedule: Schedule[str] = Schedule(always)
    first, second = schedule.open(Client(1, b"a"), Rank.NORMAL), schedule.open(Client(1, b"a"), Rank.NORMAL)
    second.push(Stage.LOOK, "second")
    first.push(Stage.LOOK, "first")
    assert everything(schedule) == ["first", "second"]


def test_nothing_less_urgent_than_asked_for_is_given() -> None:
    schedule: Schedule[str] = Schedule(always)
    schedule.open(Client(1, b"a"), Rank.LOW).push(Stage.LOOK, "low")
    assert schedule.take(Stage.LOOK, 0.0, Rank.HIGH) is None
    assert schedule.take(Stage.LOOK, 0.0, Rank.LOW) == ("low", Rank.LOW)


def test_what_no_longer_waits_is_passed_over() -> None:
    waiting = {"b"}
    schedule: Schedule[str] = Schedule(lambda thing, _stage: thing in waiting)
    lane = schedule.open(Client(1, b"x"), Rank.NORMAL)
    for thing in "abc":
        lane.push(Stage.LOOK, thing)
    assert everything(schedule) == ["b"]


def test_the_stages_are_queues_of_their_own() -> None:
    schedule: Schedule[str] = Schedule(always)
    lane = schedule.open(Client(1, b"x"), Rank.NORMAL)
    lane.push(Stage.RENDER, "render")
    assert schedule.take(Stage.LOOK, 0.0) is None
    assert everything(schedule, Stage.RENDER) == ["render"]


def test_a_closed_lane_gives_nothing_and_closing_it_twice_does_no_harm() -> None:
    schedule: Schedule[str] = Schedule(always)
    gone, stays = schedule.open(Client(1, b"x"), Rank.NORMAL), schedule.open(Client(1, b"x"), Rank.NORMAL)
    gone.push(Stage.LOOK, "gone")
    stays.push(Stage.LOOK, "stays")
    schedule.close(gone)
    schedule.close(gone)
    assert everything(schedule) == ["stays"]


def test_those_before_a_thing_are_counted_by_rank_and_place() -> None:
    schedule: Schedule[str] = Schedule(always)
    urgent, later = schedule.open(Client(1, b"a"), Rank.HIGH), schedule.open(Client(1, b"b"), Rank.LOW)
    for thing in "123":
        later.push(Stage.LOOK, thing)
    urgent.push(Stage.LOOK, "urgent")
    later.push(Stage.LOOK, "urgent")
    assert schedule.positions(Stage.LOOK) == {"urgent": 0, "1": 1, "2": 2, "3": 3}


CLIENTS = [Client(1, b"a"), Client(1, b"b"), Client(2, b"c")]


@given(st.lists(st.tuples(st.sampled_from(CLIENTS), st.sampled_from(list(Rank))), max_size=40))
def test_everything_is_given_once_in_order_of_rank_and_each_client_in_its_own_order(
    pushed: list[tuple[Client, Rank]],
) -> None:
    schedule: Schedule[int] = Schedule(lambda _thing, _stage: True)
    lanes = {(client, rank): schedule.open(client, rank) for client, rank in set(pushed)}
    for number, key in enumerate(pushed):
        lanes[key].push(Stage.RENDER, number)
    turns = []
    while (turn := schedule.take(Stage.RENDER, 0.0)) is not None:
        turns.append(turn)
    assert sorted(number for number, _rank in turns) == list(range(len(pushed)))
    assert [rank for _number, rank in turns] == sorted(rank for _client, rank in pushed)
    for key in lanes:
        own = [number for number, _rank in turns if pushed[number] == key]
        assert own == sorted(own)


def test_users_take_turns_however_many_windows_one_of_them_has() -> None:
    schedule: Schedule[str] = Schedule(always)
    lanes = {name: schedule.open(Client(1, name.encode()), Rank.NORMAL) for name in "abc"}
    other = schedule.open(Client(2, b"x"), Rank.NORMAL)
    for n in range(2):
        for name, lane in lanes.items():
            lane.push(Stage.LOOK, f"{name}{n}")
    for n in range(3):
        other.push(Stage.LOOK, f"x{n}")
    assert everything(schedule) == ["a0", "x0", "b0", "x1", "c0", "x2", "a1", "b1", "c1"]


def test_what_has_waited_for_long_has_a_turn_though_more_urgent_work_never_ends() -> None:
    schedule: Schedule[str] = Schedule(always)
    urgent, later = schedule.open(Client(1, b"a"), Rank.CRITICAL), schedule.open(Client(1, b"b"), Rank.BACKGROUND)
    for n in range(100):
        urgent.push(Stage.RENDER, f"u{n}")
        later.push(Stage.RENDER, f"l{n}")
    turns = [schedule.take(Stage.RENDER, n * AGE_S / 10) for n in range(50)]
    ranks = [turn[1] for turn in turns if turn is not None]
    assert 3 <= ranks.count(Rank.BACKGROUND) <= 6
    assert ranks[:10] == [Rank.CRITICAL] * 10


def test_nothing_is_taken_from_a_lane_that_is_paused_and_all_of_it_is_there_when_it_goes_on() -> None:
    schedule: Schedule[str] = Schedule(always)
    lane = schedule.open(Client(1, b"a"), Rank.NORMAL)
    lane.push(Stage.LOOK, "x")
    lane.paused = True
    assert everything(schedule) == []
    assert schedule.at_least(Stage.LOOK, 5) == 0
    lane.paused = False
    assert everything(schedule) == ["x"]


def test_a_lane_that_is_moved_keeps_what_stands_in_it_and_takes_its_new_place() -> None:
    schedule: Schedule[str] = Schedule(always)
    moved, stays = schedule.open(Client(1, b"a"), Rank.CRITICAL), schedule.open(Client(2, b"b"), Rank.NORMAL)
    moved.push(Stage.LOOK, "moved")
    stays.push(Stage.LOOK, "stays")
    schedule.move(moved, client=Client(3, b"c"), rank=Rank.LOW)
    assert schedule.counts(Stage.LOOK) == [(Rank.NORMAL, Client(2, b"b"), 1), (Rank.LOW, Client(3, b"c"), 1)]
    assert everything(schedule) == ["stays", "moved"]

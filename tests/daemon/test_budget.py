"""Memory for pictures that are being decoded: who may take it, who waits, in which order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from thumbd_daemon.budget import ALLOWANCE, LEAST_URGENT, Budget

from .workshop import MB

GB = 1024 * MB


class Ranked(Budget[str]):
    """A budget that keeps how urgent the things are; what has no rank waits no longer."""

    def __init__(self, total: int = GB, renderers: int = 4) -> None:
        self.ranks: dict[str, int] = {}
        super().__init__(total, renderers, self.ranks.get)

    def waits(self, thing: str, need: int, rank: int = 2) -> None:
        self.ranks[thing] = rank
        self.wait(thing, need)

    def in_turn(self) -> list[str]:
        """The things that may go, in turn, each over before the next."""
        found: list[str] = []
        while (one := self.next()) is not None:
            found.append(one.thing)
        return found


def test_the_allowance_is_what_most_pictures_fit_into_and_half_of_the_budget_at_most() -> None:
    assert Ranked(16 * GB).allowance == ALLOWANCE
    assert Ranked(128 * MB).allowance == 16 * MB
    budget = Ranked(512 * MB)
    budget.renderers = 16
    assert budget.allowance == 16 * MB


def test_a_task_may_take_its_allowance_without_asking_and_gives_it_back_at_its_end() -> None:
    budget = Ranked()
    assert budget.begin(1) == ALLOWANCE
    assert budget.used == ALLOWANCE
    assert budget.ask(1, ALLOWANCE, 2)
    budget.end(1)
    budget.end(1)  # it may be told twice
    assert budget.used == 0


def test_more_than_the_allowance_is_granted_while_there_is_room() -> None:
    budget = Ranked()
    budget.begin(1)
    budget.begin(2)
    assert budget.ask(1, 900 * MB, 2)
    assert budget.used == 900 * MB + ALLOWANCE
    assert not budget.ask(2, 200 * MB, 0)
    assert budget.used == 900 * MB + ALLOWANCE, "what is refused takes nothing"


def test_a_picture_larger_than_the_whole_budget_may_be_made_alone() -> None:
    budget = Ranked()
    budget.begin(1)
    assert budget.ask(1, 5 * GB, 2)
    assert budget.may_begin() is None
    budget.waits("bigger", 9 * GB)
    assert budget.next() is None
    budget.end(1)
    one = budget.next()
    assert one is not None
    assert (one.thing, one.need) == ("bigger", 9 * GB)
    assert budget.begin(2, one.need) == 9 * GB


def test_what_waits_goes_by_urgency_and_then_by_its_turn() -> None:
    budget = Ranked()
    for thing, rank in (("c", 3), ("a", 0), ("d", 3), ("b", 1)):
        budget.waits(thing, 10 * MB, rank)
    assert len(budget) == 4
    assert budget.in_turn() == ["a", "b", "c", "d"]
    assert len(budget) == 0


def test_what_has_become_more_or_less_urgent_while_it_waits_takes_its_new_turn() -> None:
    budget = Ranked()
    for thing in "abc":
        budget.waits(thing, 10 * MB, 2)
    budget.ranks.update(c=0, a=4)
    assert budget.in_turn() == ["c", "b", "a"]


def test_what_waits_once_more_stands_behind_the_others() -> None:
    budget = Ranked()
    for thing in "aba":
        budget.waits(thing, 10 * MB)
    assert len(budget) == 2
    assert budget.in_turn() == ["b", "a"]


def test_a_small_one_does_not_slip_past_a_big_one_before_it() -> None:
    budget = Ranked()
    budget.begin(1, 600 * MB)
    budget.waits("big", 800 * MB)
    budget.waits("small", MB)
    assert budget.next() is None
    budget.end(1)
    assert budget.in_turn() == ["big", "small"]


def test_nothing_new_takes_the_memory_that_the_first_in_turn_waits_for_unless_it_is_more_urgent() -> None:
    budget = Ranked()
    budget.begin(1, 300 * MB)
    assert budget.may_begin() == LEAST_URGENT
    budget.waits("big", 800 * MB, 3)
    assert budget.may_begin() == 2, "small ones as urgent without end would starve it"
    budget.ranks["big"] = 0
    assert budget.may_begin() == -1, "nothing is more urgent"
    budget.end(1)
    assert budget.may_begin() == LEAST_URGENT


def test_for_what_is_urgent_there_must_be_room_as_well() -> None:
    budget = Ranked()
    budget.begin(1, GB - ALLOWANCE)
    budget.waits("big", 800 * MB, 3)
    assert budget.may_begin() == 2
    budget.begin(2)
    assert budget.may_begin() is None


def test_what_leaves_room_for_the_first_in_turn_may_begin_beside_it() -> None:
    budget = Ranked()
    budget.begin(1, 500 * MB)
    budget.begin(2, 100 * MB)
    budget.waits("middling", 300 * MB)
    assert budget.may_begin() == LEAST_URGENT
    budget.begin(3)
    assert budget.may_begin() == 1
    assert budget.next() is not None


def test_who_asks_for_more_stands_behind_those_who_wait_already_and_are_as_urgent() -> None:
    budget = Ranked()
    budget.begin(1, 500 * MB)
    budget.begin(2)
    budget.waits("big", 800 * MB, 2)
    assert not budget.ask(2, 100 * MB, 2)
    assert budget.ask(2, ALLOWANCE, 2), "its allowance is its own"
    assert not budget.ask(2, 600 * MB, 1), "there is no room"
    assert budget.ask(2, 100 * MB, 1), "it is more urgent"


def test_the_last_one_at_work_may_take_what_it_wants_though_others_wait() -> None:
    budget = Ranked()
    budget.begin(1)
    budget.waits("big", 900 * MB, 0)
    assert budget.ask(1, 2 * GB, 4)


def test_what_waits_no_longer_is_forgotten_and_keeps_nobody_waiting() -> None:
    budget = Ranked()
    budget.begin(1, 500 * MB)
    budget.begin(2)
    budget.waits("big", 800 * MB, 0)
    budget.waits("small", 10 * MB, 3)
    del budget.ranks["big"]
    assert budget.may_begin() == LEAST_URGENT
    assert budget.ask(2, 100 * MB, 2)
    assert budget.in_turn() == ["small"]
    assert len(budget) == 0


def test_one_that_waits_for_little_takes_its_allowance_when_it_begins() -> None:
    budget = Ranked(GB, 8)
    budget.begin(1, 1000 * MB)
    budget.waits("shed", 10 * MB, 1)
    assert budget.next() is None, "it would be given more than is left"
    budget.end(1)
    budget.begin(2, GB - budget.allowance)
    one = budget.next()
    assert one is not None
    budget.begin(3, one.need)
    assert budget.used == budget.total


@given(
    total=st.integers(1, 64).map(lambda n: n * 64 * MB),
    renderers=st.integers(1, 16),
    needs=st.lists(st.tuples(st.integers(1, 3000).map(lambda n: n * MB), st.integers(0, 4)), max_size=40),
    cancelled=st.sets(st.integers(0, 39)),
)
def test_many_big_ones_are_all_made_in_the_end_and_never_add_up_past_the_total(
    total: int, renderers: int, needs: list[tuple[int, int]], cancelled: set[int]
) -> None:
    given_up: set[int] = set()
    budget = Budget[int](total, renderers, lambda task: None if task in given_up else needs[task][1])
    fresh, running, made, rounds = list(range(len(needs))), dict[int, int](), list[int](), 0
    while fresh or budget.first() is not None or running:
        rounds += 1
        assert rounds < 10 * len(needs) + 10, "somebody waits for ever"
        while len(running) < renderers:
            one = budget.next()
            if one is not None:
                budget.begin(one.thing, one.need)
                running[one.thing] = one.need
            else:
                least = budget.may_begin()
                task = next((task for task in fresh if least is not None and needs[task][1] <= least), None)
                if task is None:
                    break
                fresh.remove(task)
                budget.begin(task)
                need, rank = needs[task]
                if budget.ask(task, need, rank):
                    running[task] = need
                else:
                    budget.end(task)
                    budget.wait(task, need)
                    given_up |= {task} & cancelled
            assert len(running) == 1 or budget.used <= total
            assert sum(running.values()) <= budget.used
        done = next(iter(running), None)
        if done is not None:
            budget.end(done)
            del running[done]
            made.append(done)
    assert sorted([*made, *given_up]) == list(range(len(needs)))
    assert (budget.used, len(budget)) == (0, 0)


class BudgetMachine(RuleBasedStateMachine):
    """Tasks that begin, learn what they need and end in any order; `needs` are those at work, `ranks` those that wait,
    in their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.ranks: dict[int, int] = {}
        self.budget = Budget[int](1024 * MB, 8, self.ranks.get)
        self.needs: dict[int, int] = {}
        self.count = 0

    def first(self) -> int | None:
        """Who waits and is the most urgent, the oldest of those."""
        return min(self.ranks, key=lambda task: self.ranks[task], default=None)

    @rule(rank=st.integers(0, 4))
    def one_begins(self, rank: int) -> None:
        least = self.budget.may_begin()
        if least is not None and rank <= least:
            self.count += 1
            self.needs[self.count] = self.budget.begin(self.count)

    @precondition(lambda self: self.needs)
    @rule(data=st.data(), need=st.integers(1, 4096), rank=st.integers(0, 4))
    def a_header_is_read(self, data: st.DataObject, need: int, rank: int) -> None:
        task, need = data.draw(st.sampled_from(list(self.needs))), need * MB
        others = sum(self.needs.values()) - self.needs[task]
        passes = all(rank < other for other in self.ranks.values())
        if self.budget.ask(task, need, rank):
            assert need <= self.needs[task] or others == 0 or passes
            self.needs[task] = max(need, self.needs[task])
        else:
            assert not passes or others + need > self.budget.total, "there is room for what is urgent"
            self.budget.end(task)
            del self.needs[task]
            self.ranks[task] = rank
            self.budget.wait(task, need)

    @precondition(lambda self: self.needs)
    @rule(data=st.data())
    def one_is_made(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(list(self.needs)))
        self.budget.end(task)
        del self.needs[task]

    @precondition(lambda self: self.ranks)
    @rule(data=st.data())
    def one_is_not_wanted_any_more(self, data: st.DataObject) -> None:
        del self.ranks[data.draw(st.sampled_from(list(self.ranks)))]

    @precondition(lambda self: self.ranks)
    @rule(data=st.data(), rank=st.integers(0, 4))
    def one_becomes_more_or_less_urgent(self, data: st.DataObject, rank: int) -> None:
        self.ranks[data.draw(st.sampled_from(list(self.ranks)))] = rank

    @rule()
    def the_first_in_turn_begins(self) -> None:
        first, one = self.first(), self.budget.next()
        if one is not None:
            assert one.thing == first
            del self.ranks[one.thing]
            self.needs[one.thing] = self.budget.begin(one.thing, one.need)
        elif first is not None:
            assert self.needs, "somebody waits though nobody is at work"

    @invariant()
    def what_is_granted_is_what_those_at_work_have_and_fits(self) -> None:
        assert self.budget.used == sum(self.needs.values())
        assert len(self.needs) <= 1 or self.budget.used <= self.budget.total

    @invariant()
    def only_those_that_are_waited_for_wait_and_what_is_more_urgent_passes_them(self) -> None:
        least, first = self.budget.may_begin(), self.first()
        room = not self.needs or self.budget.used + self.budget.allowance <= self.budget.total
        assert (least is not None) is room
        if least is not None:
            assert least == LEAST_URGENT if first is None else least >= self.ranks[first] - 1
        turn = self.budget.first()
        assert (turn[0].thing if turn is not None else None) == first
        assert len(self.budget) == len(self.ranks)


TestMemoryInAnyOrder = BudgetMachine.TestCase
TestMemoryInAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

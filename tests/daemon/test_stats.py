"""The figures behind ``stats``: percentiles, rates, deaths."""

from hypothesis import given
from hypothesis import strategies as st

from thumbd_daemon.stats import KEPT, Durations, Stats, Throughput, percentiles
from thumbd_daemon.verdicts import Cause, Death
from thumbd_protocol.items import Rank


def test_percentiles_are_whole_milliseconds_of_what_was_measured() -> None:
    assert percentiles([0.2]) == {"p50": 200, "p95": 200, "p99": 200}
    found = percentiles([n / 1000 for n in range(1000, 0, -1)])
    assert found == {"p50": 500, "p95": 950, "p99": 990}


def test_percentiles_are_the_nearest_rank() -> None:
    assert percentiles([0.1, 0.2]) == {"p50": 100, "p95": 200, "p99": 200}
    assert percentiles([0.1, 0.2, 0.3]) == {"p50": 200, "p95": 300, "p99": 300}
    assert percentiles([n / 1000 for n in range(1, 101)]) == {"p50": 50, "p95": 95, "p99": 99}


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200))
def test_percentiles_are_in_order_and_within_what_was_measured(values: list[float]) -> None:
    found = percentiles(values)
    assert round(min(values) * 1000) <= found["p50"] <= found["p95"] <= found["p99"] <= round(max(values) * 1000)


def test_one_slow_item_in_a_hundred_shows_in_the_last_percentile_alone() -> None:
    found = percentiles([0.01] * 98 + [9.0] * 2)
    assert found == {"p50": 10, "p95": 10, "p99": 9000}


def test_durations_are_told_by_class_and_only_of_those_that_have_any() -> None:
    durations = Durations()
    durations.add(Rank.CRITICAL, 0.01)
    durations.add(Rank.NORMAL, 0.5)
    assert list(durations.told()) == ["critical", "normal"]
    assert durations.told()["critical"]["p50"] == 10
    assert Durations().told() == {}


def test_the_latest_durations_alone_count() -> None:
    durations = Durations()
    for _ in range(KEPT):
        durations.add(Rank.NORMAL, 9.0)
    for _ in range(KEPT):
        durations.add(Rank.NORMAL, 0.1)
    assert durations.told()["normal"] == {"p50": 100, "p95": 100, "p99": 100}


def test_throughput_counts_whole_seconds_and_not_the_one_that_is_under_way() -> None:
    throughput = Throughput()
    for at in (99.2, 100.0, 100.9, 101.5):
        throughput.add(at)
    assert throughput.told(100.99)["1s"] == 1.0
    assert throughput.told(101.9)["1s"] == 2.0
    assert throughput.told(102.0) == {"1s": 1.0, "10s": 0.4, "60s": 0.1}
    assert throughput.told(103.0)["1s"] == 0.0


def test_what_is_long_past_counts_no_more() -> None:
    throughput = Throughput()
    for second in range(200):
        for _ in range(6):
            throughput.add(100.0 + second)
    assert throughput.told(300.0) == {"1s": 6.0, "10s": 6.0, "60s": 6.0}
    assert throughput.told(330.0) == {"1s": 0.0, "10s": 0.0, "60s": 3.0}
    assert throughput.told(400.0) == {"1s": 0.0, "10s": 0.0, "60s": 0.0}


def test_a_daemon_that_has_done_nothing_has_rates_of_nothing() -> None:
    assert Throughput().told(100.0) == {"1s": 0.0, "10s": 0.0, "60s": 0.0}


def test_only_the_latest_deaths_are_kept() -> None:
    stats = Stats()
    for number in range(500):
        stats.deaths.append(Death(float(number), "renderer", number, Cause.EXIT, "status 1", "", 0, 0.0, None))
    assert len(stats.deaths) == 50
    assert stats.deaths[-1].pid == 499

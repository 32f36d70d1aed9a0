"""Is all well: each reason, and whether work can go on."""

from dataclasses import replace

import pytest

from thumbd_daemon.health import Facts, Verdict, verdict

WELL = Facts(ready={"renderer": 2, "scout": 2})


def test_when_nothing_is_wrong_all_is_well() -> None:
    assert verdict(WELL) == (Verdict.OK, [])
    assert verdict(Facts()) == (Verdict.OK, [])


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(WELL, crash_loop="renderer"), ["renderer can't be started", "ever more slowly"]),
        (replace(WELL, crash_loop="quick", last_words="no module x"), ["quick can't be started", "no module x"]),
        (replace(WELL, silent_mounts=[b"/net"]), ["file system at /net does not answer"]),
        (replace(WELL, lingering=8), ["8 processes hang", "no more of them are replaced"]),
        (replace(WELL, memory="memory is short"), ["memory is short"]),
        (replace(WELL, journal="the journal can't be written"), ["the journal can't be written"]),
        (replace(WELL, cache="the cache is full"), ["the cache is full"]),
    ],
)
def test_each_thing_that_goes_wrong_is_one_sentence_and_work_goes_on(facts: Facts, words: list[str]) -> None:
    found, reasons = verdict(facts)
    assert found is Verdict.DEGRADED
    (reason,) = reasons
    assert all(part in reason for part in words)
    assert "\n" not in reason


def test_a_mount_of_any_name_is_told_in_one_line() -> None:
    _found, (reason,) = verdict(replace(WELL, silent_mounts=[b"/net\n\xff"]))
    assert reason.isprintable()


def test_each_silent_mount_is_told() -> None:
    found, reasons = verdict(replace(WELL, silent_mounts=[b"/net", b"/usb"]))
    assert (found, len(reasons)) == (Verdict.DEGRADED, 2)


def test_a_few_that_linger_are_nothing_to_tell_of() -> None:
    assert verdict(replace(WELL, lingering=7))[0] is Verdict.OK
    assert verdict(replace(WELL, lingering=3, max_lingering=3))[0] is Verdict.DEGRADED


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ({"renderer": 0, "scout": 2}, "there is no renderer, so"),
        ({"renderer": 2, "scout": 0}, "there is no scout, so"),
        ({"renderer": 0, "scout": 0}, "there is no renderer and no scout, so"),
    ],
)
def test_without_a_kind_of_child_that_work_needs_nothing_can_be_rendered(ready: dict[str, int], words: str) -> None:
    found, (reason,) = verdict(Facts(ready=ready, missing_s=10.0))
    assert found is Verdict.FAILING
    assert reason.startswith(words)


def test_a_daemon_that_has_just_begun_is_well_though_no_child_is_ready_yet() -> None:
    assert verdict(Facts(ready={"renderer": 0, "scout": 0}, missing_s=9.9)) == (Verdict.OK, [])


def test_what_makes_it_fail_is_told_first_and_the_rest_behind_it() -> None:
    found, reasons = verdict(
        Facts(ready={"renderer": 0, "scout": 1}, missing_s=60.0, crash_loop="renderer", silent_mounts=[b"/net"])
    )
    assert found is Verdict.FAILING
    assert [reason.split()[0] for reason in reasons] == ["there", "a", "the"]

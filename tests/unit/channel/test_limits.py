import pytest

from local.channel.errors import ChannelError
from local.channel.limits import Limits, parse


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limits(clock):
    made = Limits(clock)
    made.enabled = True
    return made


def passed(limits, count, conversation="c", operation="send", tenant="t"):
    done = 0
    for _ in range(count):
        try:
            limits.check(operation, conversation, tenant)
        except ChannelError as error:
            assert error.status == 429
            return done, int(error.headers["Retry-After"])
        done += 1
    return done, 0


def test_seven_a_second_and_eight_in_two(limits, clock):
    assert passed(limits, 20) == (7, 1)
    clock.now += 1.0
    assert passed(limits, 20) == (1, 1)


def test_waiting_for_retry_after_is_always_enough(limits, clock):
    sent = 0
    for _ in range(400):
        done, wait = passed(limits, 100)
        sent += done
        clock.now += wait
        limits.check("send", "c", "t")
        sent += 1
        if sent > 200:
            return
    pytest.fail("never sent 200")


def test_sixty_in_thirty_seconds(limits, clock):
    sent = 0
    start = clock.now
    while clock.now < start + 30:
        sent += passed(limits, 10)[0]
        clock.now += 0.25
    assert sent == 60


def test_fifty_a_second_over_all_conversations_of_a_tenant(limits):
    done = sum(passed(limits, 1, conversation=f"c{number}")[0] for number in range(80))
    assert done == 50
    assert passed(limits, 1, conversation="other", tenant="u") == (1, 0)


def test_what_is_made_is_counted_in_its_tenant(limits, clock):
    assert passed(limits, 20, conversation="", operation="create", tenant="t") == (7, 1)
    assert passed(limits, 20, conversation="", operation="create", tenant="u") == (7, 1)
    assert passed(limits, 20, conversation="", operation="members", tenant="t") == (14, 1)


def test_a_request_leaves_a_window_at_its_very_end(limits, clock):
    limits.change({"send": {"1": 2, "2": 0, "30": 0, "3600": 3}})
    limits.check("send", "c", "t")
    clock.now += 0.5
    assert passed(limits, 9) == (1, 1)
    clock.now += 0.4999
    assert passed(limits, 1) == (0, 1)
    clock.now += 0.0001
    # The first is a second old now, and still one of the hour's three.
    assert passed(limits, 9) == (1, 3599)
    clock.now = 100.0 + 3600
    assert passed(limits, 9) == (1, 1)
    assert passed(limits, 1, conversation="d") == (1, 0)


def test_a_refused_request_counts_for_nothing(limits, clock):
    limits.change({"app": {"1": 3}})
    for _ in range(5):
        passed(limits, 20, conversation="busy")
    assert passed(limits, 1, conversation="quiet") == (0, 1)
    clock.now += 1
    assert passed(limits, 9, conversation="quiet") == (3, 1)


def test_conversations_that_are_quiet_are_forgotten_and_busy_ones_are_not(clock, monkeypatch):
    monkeypatch.setattr("local.channel.limits.KEPT_WINDOWS", 10)
    limits = Limits(clock)
    limits.change({"enabled": True, "send": {"1": 1}, "app": {"1": 0}})
    for number in range(100):
        limits.check("send", f"c{number}", "t")
    assert passed(limits, 1, conversation="c0") == (0, 1)
    clock.now += 3601
    for number in range(200, 400):
        limits.check("send", f"c{number}", "t")
    assert len(limits._seen) < 300


def test_reads_have_their_own_window(limits):
    assert passed(limits, 20)[0] == 7
    assert passed(limits, 20, operation="read")[0] == 14


def test_off_by_default(clock):
    assert passed(Limits(clock), 100) == (100, 0)


def test_figures_can_be_changed_and_taken_away(limits, clock):
    limits.change({"send": {"1": 3}})
    assert passed(limits, 20) == (3, 1)
    assert limits.view()["send"] == {"1": 3, "2": 8, "30": 60, "3600": 1800}
    limits.change({"send": {"1": 0, "2": 0, "30": 0, "3600": 0}, "app": {"1": 0}})
    assert passed(limits, 5000) == (5000, 0)
    limits.change({"app": {"60": 100}})
    assert sum(passed(limits, 1, conversation=f"c{number}")[0] for number in range(150)) == 100


def test_one_window_without_a_limit_leaves_the_others(limits):
    limits.change({"send": {"1": 0, "2": 0}})
    assert passed(limits, 100, operation="send") == (50, 1)
    limits.change({"app": {"1": 0}})
    assert passed(limits, 100) == (60, 30)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"enabled": 1}, "'enabled'"),
        ({"sing": {"1": 1}}, "'sing'"),
        ({"send": 7}, "'send'"),
        ({"send": {"0": 7}}, "'send'"),
        ({"send": {"x": 7}}, "'send'"),
        ({"send": {"99999": 7}}, "'send'"),
        ({"send": {"1": -1}}, "'send.1'"),
        ({"send": {"1": True}}, "'send.1'"),
        ({"send": {"1": 1.5}}, "'send.1'"),
    ],
)
def test_what_is_no_figure_is_refused_and_changes_nothing(limits, asked, named):
    before = limits.view()
    with pytest.raises(ChannelError) as refused:
        limits.change({"app": {"1": 1}, **asked})
    assert refused.value.status == 400
    assert named in refused.value.message
    assert limits.view() == before


def test_options_are_figures():
    assert parse("send/30=100") == {"send": {"30": 100}}
    for text in ("send", "send/30", "send=1", "send/30=x", "send/30=-1", ""):
        with pytest.raises(ChannelError):
            parse(text)

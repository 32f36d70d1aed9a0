"""Is the other side still there? What was heard last, when to ask for a sign of life, and when to give it up. Pure."""


class Pulse:
    """Times are monotonic seconds. After `heartbeat_s` of silence a ping is due; after three the other side is gone."""

    def __init__(self, heartbeat_s: float) -> None:
        self.heartbeat_s = heartbeat_s
        self._heard = self._asked = self._looked = 0.0

    def began(self, now: float) -> None:
        """A connection stands."""
        self._heard = self._asked = self._looked = now

    def heard(self, now: float) -> None:
        """Something has come."""
        self._heard = now

    def looked(self, now: float) -> None:
        """Somebody listens now. Where nobody did for long (a busy caller, a machine that slept), the silence is ours,
        and the other side gets its time to answer."""
        if now - self._looked >= 2 * self.heartbeat_s:
            self._heard = max(self._heard, now - self.heartbeat_s)
        self._looked = now

    def gone(self, now: float) -> bool:
        """Whether it has been silent for too long."""
        return now >= self.end

    def should_ask(self, now: float) -> bool:
        """Whether a ping is due; it is taken as said."""
        if now < self.next_ask:
            return False
        self._asked = now
        return True

    @property
    def next_ask(self) -> float:
        """When a ping is due."""
        return max(self._heard, self._asked) + self.heartbeat_s

    @property
    def end(self) -> float:
        """When it is given up."""
        return self._heard + 3 * self.heartbeat_s

"""The daemon's half of a conversation, spoken by a test: what the client said, and what is said to it."""

from thumbd_client.events import Event
from thumbd_client.session import Session
from thumbd_protocol.codec import decode_request, encode
from thumbd_protocol.items import Flavor, ItemUpdate, State
from thumbd_protocol.replies import Accepted, Done, Error, Notice, Pong, ServerInfo, Snapshot, Update, Welcome
from thumbd_protocol.requests import Hello, Message, Submit

EPOCH = b"epoch one"
NEXT_EPOCH = b"epoch two"


class Talk:
    """A session and the daemon it speaks with. `said` holds what the client has said and nobody has read yet."""

    def __init__(self, *, credit: int = 16) -> None:
        self.session = Session("test", "1", credit=credit, heartbeat_s=5.0)
        self.now = 100.0
        self.seq = 0
        self.epoch = EPOCH

    def said(self) -> list[Message]:
        out = self.session.outgoing()
        frames = list(out)
        out.clear()
        return [decode_request(one) for one in frames]

    def hear(self, message: Message) -> list[Event]:
        return self.session.receive(encode(message), self.now)

    def connect(self, epoch: bytes = EPOCH, *, resumed: bool = False) -> list[Event]:
        """A new connection, and the daemon's welcome."""
        self.session.connected(self.now)
        return self.welcome(epoch, resumed=resumed)

    def welcome(self, epoch: bytes = EPOCH, *, resumed: bool = False) -> list[Event]:
        (hello,) = self.said()
        assert isinstance(hello, Hello)
        self.seq, self.epoch = 0, epoch
        return self.hear(
            Welcome(
                reply_to=hello.id,
                protocol=1,
                epoch=epoch,
                session=b"session of " + epoch,
                resumed=resumed,
                capabilities=[],
                limits={},
                heartbeat_ms=5000,
                server=ServerInfo("thumbd", "1", 42),
            )
        )

    def update(self, *paths: bytes, skip: int = 0) -> list[Event]:
        self.seq += 1 + skip
        items = [ItemUpdate(path, Flavor.LARGE, State.READY) for path in paths]
        return self.hear(Update(epoch=self.epoch, seq=self.seq, items=items))

    def done(self, batch: str) -> list[Event]:
        self.seq += 1
        return self.hear(
            Done(
                epoch=self.epoch, seq=self.seq, batch=batch, ready=1, failed=0, cancelled=0, quarantined=0, elapsed_ms=1
            )
        )

    def notice(self, kind: str) -> list[Event]:
        self.seq += 1
        return self.hear(Notice(epoch=self.epoch, seq=self.seq, kind=kind, message=f"notice: {kind}"))

    def part(self, request: bytes, topic: str | bytes, *, part: int = 0, last: bool = True) -> list[Event]:
        self.seq += 1
        return self.hear(Snapshot(epoch=self.epoch, seq=self.seq, reply_to=request, topic=topic, part=part, last=last))

    def is_up(self) -> bool:
        return self.session.welcomed

    def accept(self, submit: Message) -> list[Event]:
        assert isinstance(submit, Submit)
        return self.hear(Accepted(reply_to=submit.id, batch=submit.batch or "made up", total=1))

    def error(self, code: str, reply_to: bytes | None = None, retry_after_ms: int | None = None) -> list[Event]:
        return self.hear(
            Error(code=code, message=f"no: {code}", retryable=True, reply_to=reply_to, retry_after_ms=retry_after_ms)
        )

    def pong(self, seq: int) -> list[Event]:
        return self.hear(Pong(reply_to=b"p" * 16, epoch=self.epoch, seq=seq))

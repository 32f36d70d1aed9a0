"""What a caller may ask of the daemon: requests, batches, focus, topics. Nothing here waits; answers come as events."""

from collections.abc import Sequence

from thumbd_protocol.items import Flavor, Folder, Item, Priority
from thumbd_protocol.requests import Cancel, Focus, Submit, Subscribe, Unsubscribe

from .chunks import split_items
from .conversation import Conversation
from .ledger import new_id

__all__ = ["Session", "new_id"]


class Session(Conversation):
    """A conversation, and the things to say in it. All that is said through it is said again after a reconnect, for as
    long as it has not ended."""

    def submit_folder(self, folder: Folder, priority: Priority, batch: str, *, durable: bool = False) -> bytes:
        """Ask for all pictures of a folder, as `batch` (a name of the caller's making). A durable batch is journalled:
        it outlives this process and the daemon."""
        return self.request(Submit(id=new_id(), folder=folder, priority=priority, batch=batch, durable=durable))

    def submit_items(
        self, items: Sequence[Item], priority: Priority, batch: str, *, durable: bool = False
    ) -> list[bytes]:
        """Ask for `items` as one batch, in as many chunks as the bounds of the wire need; each is answered."""
        chunks = list(split_items(items))
        return [
            self.request(
                Submit(
                    id=new_id(),
                    items=chunk,
                    priority=priority,
                    batch=batch,
                    more=index + 1 < len(chunks),
                    durable=durable,
                )
            )
            for index, chunk in enumerate(chunks)
        ]

    def focus(self, view: str, generation: int, flavor: Flavor, visible: list[bytes], near: list[bytes]) -> None:
        """Say what `view` shows now. Only the newest is ever said again."""
        focus = Focus(view=view, generation=generation, flavor=flavor, visible=visible, near=near)
        self._ledger.focuses[view] = focus
        self._say(focus)

    def forget_view(self, view: str, generation: int) -> None:
        """A view has closed: its focus is emptied and not said again."""
        focus = self._ledger.focuses.pop(view, None)
        if focus is not None:
            self._say(Focus(view=view, generation=generation, flavor=focus.flavor, visible=[], near=[]))

    def subscribe(self, topic: str | bytes) -> bytes:
        """Ask for a topic's snapshot and what changes after it. A `batch:` topic ends with its batch."""
        self._ledger.topics[topic] = None
        return self.request(Subscribe(id=new_id(), topics=[topic]))

    def unsubscribe(self, topic: str | bytes) -> None:
        self._ledger.topics.pop(topic, None)
        self.request(Unsubscribe(id=new_id(), topics=[topic]))

    def cancel(self, batch: str) -> bytes:
        """Give up a batch; each of its items that was taken still gets its final state."""
        self._ledger.give_up(batch)
        return self.request(Cancel(id=new_id(), batch=batch))

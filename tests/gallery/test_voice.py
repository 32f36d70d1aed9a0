"""The thread's side of the link: no more lists under way than the windows deal with."""

from collections import deque
from functools import partial

import pytest
import zmq
from PyQt6.QtCore import QObject
from pytestqt.qtbot import QtBot

from thumbd_client.connection import Connection
from thumbd_gallery.voice import Parcel, Voice, folder_of
from thumbd_protocol.items import BatchInfo, Flavor, ItemUpdate, Progress, State
from thumbd_protocol.replies import Snapshot


@pytest.mark.parametrize(
    ("topic", "folder"), [(b"folder:/a\xff", b"/a\xff"), ("folder:/a", b"/a"), ("mine", None), (b"tree:/a", None)]
)
def test_only_folders_topics_name_a_folder(topic: str | bytes, folder: bytes | None) -> None:
    assert folder_of(topic) == folder


def test_a_window_that_cannot_keep_up_is_sent_two_lists_and_no_more(qtbot: QtBot) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    wake = context.socket(zmq.PAIR)
    keeper = QObject()
    connection = Connection("test", autostart=False, context=context)
    voice = Voice(lambda: connection, wake, deque(), keeper)
    under_way: list[Parcel] = []
    voice.delivered.connect(under_way.append)
    told: list[int] = []
    for number in range(5):
        voice.send([partial(told.append, number)])
    voice.deliver()
    assert told == [0, 1]
    voice.arrived(under_way.pop(0), connection)
    voice.deliver()
    assert told == [0, 1, 2]
    connection.close()
    wake.close()
    context.term()


def test_how_items_stand_is_told_from_a_snapshot_as_from_an_update(qtbot: QtBot) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    wake = context.socket(zmq.PAIR)
    keeper = QObject()
    connection = Connection("test", autostart=False, context=context)
    voice = Voice(lambda: connection, wake, deque(), keeper)
    told: list[ItemUpdate] = []
    far: list[Progress] = []
    voice.told.connect(told.extend)
    voice.progressed.connect(far.extend)
    item = ItemUpdate(b"/a", Flavor.LARGE, State.READY, thumbnail=b"/t.png")
    progress = Progress("b", 1, 1, 0, 0, 0, 0, 9, 0, 1.0, None)
    batch = BatchInfo("b", "open", progress, durable=False, age_ms=1)
    part = Snapshot(epoch=b"", seq=1, reply_to=b"r", topic="mine", part=0, last=True, items=[item], batches=[batch])
    voice._hear(connection, part)
    voice.deliver()
    assert (told, far) == ([item], [progress])
    connection.close()
    wake.close()
    context.term()

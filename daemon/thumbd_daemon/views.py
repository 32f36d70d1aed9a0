"""What is on screen: the focus of each view of each session, as lanes of the schedule. Pure.

A view is no submission: a result is told each time its item enters the focus, and what leaves it is dropped without a
word unless a batch wants it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from thumbd_protocol.items import Flavor, FocusInfo, ItemUpdate, Rank, State
from thumbd_protocol.requests import Focus

from .board import Board
from .items import STAGE, Item, Phase
from .lanes import Client, Lane
from .news import Told

#: Views that a session may have.
MAX_VIEWS: Final = 16
#: Paths in the focuses of a session, all views together.
MAX_PATHS: Final = 20_000


_NO: Final = (None, None)


class TooManyViews(Exception):
    """A session shows more than it may; the text says how much that is."""


@dataclass
class Shown:
    """A path in a focus: on screen, or (not `visible`) near it. `told` is what the original was (size, mtime_ns) when
    its result was told last, None while it was not; `seen` is what it was seen to be since the look."""

    visible: bool
    told: tuple[int, int] | None = None
    seen: tuple[int, int] | None = None


@dataclass(eq=False)
class View:
    """What one view of a session shows: on screen, and near it. `members` are the paths in its focus."""

    client: Client
    name: str
    generation: int
    flavor: Flavor
    visible: Lane[Item]
    near: Lane[Item]
    members: dict[bytes, Shown] = field(default_factory=dict)

    @property
    def session(self) -> bytes:
        return self.client.session


class Views:
    """All views, by session and name."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._views: dict[bytes, dict[str, View]] = {}

    def __len__(self) -> int:
        return sum(len(views) for views in self._views.values())

    def focus(self, client: Client, focus: Focus, now: float) -> None:
        """What a view shows now; what left it is dropped unless somebody else wants it. Raises TooManyViews."""
        views = self._views.get(client.session, {})
        view = views.get(focus.view)
        if view is not None and focus.generation <= view.generation:
            return
        self._check(views, focus)
        if view is None:
            view = self._open(client, focus.view, focus.flavor)
        view.generation = focus.generation
        wanted = dict.fromkeys(focus.near, False) | dict.fromkeys(focus.visible, True)
        for path in list(view.members):
            if path not in wanted or focus.flavor is not view.flavor:
                self._leave(view, path)
        view.flavor = focus.flavor
        view.visible.clear()
        view.near.clear()
        for path in dict.fromkeys([*focus.visible, *focus.near]):
            self._show(view, path, now, visible=wanted[path])
        if not wanted:
            self._close(view)

    def _check(self, views: dict[str, View], focus: Focus) -> None:
        if focus.view not in views and len(views) >= MAX_VIEWS:
            raise TooManyViews(f"a session has at most {MAX_VIEWS} views; empty one first")
        others = sum(len(view.members) for view in views.values() if view.name != focus.view)
        if others + len(focus.visible) + len(focus.near) > MAX_PATHS:
            raise TooManyViews(f"the views of a session show at most {MAX_PATHS} paths together")

    def tell(self, item: Item, update: ItemUpdate) -> None:
        """Those who look at it hear how it goes."""
        for lane in item.lanes:
            if isinstance(lane.owner, View):
                self._board.news.append(Told(lane.owner.session, update, lane is lane.owner.visible))

    def close_session(self, session: bytes) -> None:
        """A session shows nothing any more."""
        for view in list(self._views.get(session, {}).values()):
            self._close(view)

    def weigh(self, session: bytes, *, parked: bool) -> None:
        """A session is away (its views can wait), or back."""
        for view in self._views.get(session, {}).values():
            self._board.schedule.move(view.visible, rank=Rank.BACKGROUND if parked else Rank.CRITICAL)
            self._board.schedule.move(view.near, rank=Rank.BACKGROUND if parked else Rank.HIGH)

    def renew(self, session: bytes, now: float, paths: Iterable[bytes] | None = None, *, again: bool = False) -> int:
        """What was told of these paths (all in the session's focus) is lost, or wanted anew: it is found out once more.
        How many that are."""
        chosen = None if paths is None else set(paths)
        count = 0
        for view in self._views.get(session, {}).values():
            for path in view.members:
                if (chosen is None or path in chosen) and not self._waits(view, path):
                    self._ask(view, path, now, again=again)
                    count += 1
        return count

    def found(self, folder: bytes, states: dict[bytes, tuple[int | None, int | None]], now: float) -> None:
        """In a folder that is watched these names have (size, mtime_ns) now: whoever shows one that was another when he
        was told of it is told anew."""
        inside = folder.rstrip(b"/") + b"/"
        for view in [view for views in self._views.values() for view in views.values()]:
            for path, shown in view.members.items():
                size, mtime_ns = states.get(path.removeprefix(inside), (None, None)) if path.startswith(inside) else _NO
                if size is None or mtime_ns is None:
                    continue
                if self._waits(view, path):
                    shown.seen = (size, mtime_ns)
                elif shown.told is not None and shown.told != (size, mtime_ns):
                    self._ask(view, path, now)

    def settled(self, view: View, item: Item, now: float) -> None:
        """The result of an item is told to a view. If the file was seen to be another meanwhile, it is asked for once
        more."""
        shown = view.members.get(item.path)
        if shown is None:
            return
        seen, shown.seen = shown.seen, None
        shown.told = (item.size, item.mtime_ns)
        if seen is not None and seen != shown.told:
            self._ask(view, item.path, now)

    def told(self, session: bytes) -> tuple[list[FocusInfo], list[ItemUpdate]]:
        """What a session shows, for a snapshot: its views, and those of their items that are not final."""
        infos: list[FocusInfo] = []
        for view in self._views.get(session, {}).values():
            visible = sum(shown.visible for shown in view.members.values())
            infos.append(FocusInfo(view.name, view.generation, view.flavor, visible, len(view.members) - visible))
        return infos, list(self._open_items(session))

    def _open_items(self, session: bytes) -> Iterator[ItemUpdate]:
        for view in self._views.get(session, {}).values():
            for path in view.members:
                item = self._board.items.get((path, view.flavor))
                if item is not None:
                    yield ItemUpdate(path, view.flavor, state_of(item))

    # -- inside -----------------------------------------------------------------------------------------------

    def _open(self, client: Client, name: str, flavor: Flavor) -> View:
        visible = self._board.schedule.open(client, Rank.CRITICAL)
        near = self._board.schedule.open(client, Rank.HIGH)
        view = View(client, name, -1, flavor, visible, near)
        visible.owner = near.owner = view
        self._views.setdefault(client.session, {})[name] = view
        return view

    def _close(self, view: View) -> None:
        views = self._views[view.session]
        del views[view.name]
        if not views:
            del self._views[view.session]
        for path in list(view.members):
            self._leave(view, path)
        self._board.schedule.close(view.visible)
        self._board.schedule.close(view.near)

    def _show(self, view: View, path: bytes, now: float, *, visible: bool) -> None:
        key = (path, view.flavor)
        lane = view.visible if visible else view.near
        if path in view.members:
            view.members[path].visible = visible
            item = self._board.items.get(key)
            if item is None or not any(old.owner is view for old in item.lanes):
                return  # told already
            item.lanes = [old for old in item.lanes if old.owner is not view]
        else:
            item, _new = self._board.open(key, now)
            view.members[path] = Shown(visible)
        self._board.join(item, lane)

    def _waits(self, view: View, path: bytes) -> bool:
        item = self._board.items.get((path, view.flavor))
        return item is not None and any(lane.owner is view for lane in item.lanes)

    def _ask(self, view: View, path: bytes, now: float, *, again: bool = False) -> None:
        item, _new = self._board.open((path, view.flavor), now)
        item.again = again
        self._board.join(item, view.visible if view.members[path].visible else view.near)

    def _leave(self, view: View, path: bytes) -> None:
        del view.members[path]
        item = self._board.items.get((path, view.flavor))
        if item is not None:
            for lane in (view.visible, view.near):
                self._board.withdraw(item, lane)


def state_of(item: Item) -> State:
    """An open item's state as it is told."""
    waits = item.phase in STAGE or item.phase is Phase.LOOKING
    return State.QUEUED if waits else State.RENDERING

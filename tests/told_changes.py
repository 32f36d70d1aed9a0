"""What a client that knows nothing but what it is told makes of a folder's changes."""

from thumbd_protocol.items import Entry, FolderChange


def take(change: FolderChange, there: dict[bytes, Entry]) -> None:
    """Bring what is known to be `there` up to date, in the page's order: each part must find what it speaks of."""
    for name in change.removed:
        del there[name]
    for old, new in change.renamed:
        assert new not in there
        known = there.pop(old)
        there[new] = Entry(new, known.kind, known.size, known.mtime_ns, known.mime)
    for entry in change.added:
        assert entry.name not in there
        there[entry.name] = entry
    for entry in change.changed:
        assert entry.name in there
        there[entry.name] = entry

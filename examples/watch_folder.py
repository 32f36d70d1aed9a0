"""Print what a folder holds, and whatever happens there: python watch_folder.py ~/Pictures"""

import os
import sys

from thumbd_client import Connection
from thumbd_protocol.replies import Snapshot, Update

folder = os.fsencode(os.path.abspath(sys.argv[1]))
with Connection("watch_folder") as thumbd:
    thumbd.session.subscribe(b"folder:" + folder)
    for event in thumbd.events():
        match event:
            case Snapshot(entries=entries, message=trouble):
                for entry in entries:
                    print(f"{entry.kind} {entry.name!r}", flush=True)
                if trouble:
                    print(trouble, flush=True)
            case Update(entries=changes):
                for change in changes:
                    added, removed = [e.name for e in change.added], [*change.removed]
                    print(f"added {added}, removed {removed}, renamed {change.renamed}", flush=True)

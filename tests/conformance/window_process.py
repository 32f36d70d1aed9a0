"""One window of a test, as a process of its own: subscribes, submits, focuses, and tells what it saw as JSON.

``python -m conformance.window_process SOCKET FOLDER BATCH MODE`` with ``MODE`` ``submit`` or ``folder``.
"""

import json
import os
import sys
from pathlib import Path

from conformance.independent_client import Client, entry_names


def watch(socket: Path, folder: bytes, batch: str, mode: str) -> dict[str, object]:
    """What a window does: show the folder, ask for everything, look at the first dozen."""
    with Client(socket) as client:
        client.hello()
        parts = client.subscribe(b"folder:" + folder)
        names = sorted(name for name in entry_names(parts) if name.endswith(b".png"))
        paths = [folder + b"/" + name for name in names]
        if mode == "submit":
            client.submit(paths, batch=batch)
        else:
            client.submit_folder(folder, batch=batch)
        client.focus(paths[:12], paths[12:24], generation=1)
        done = client.wait_done(batch)
        client.wait_final((path, "normal") for path in paths)
        client.ping()
        return {
            "names": len(names),
            "ready": done["ready"],
            "dones": len(client.dones(batch)),
            "told": len(client.finals()),
            "states": sorted({item["state"] for told in client.finals().values() for item in told}),
            "thumbnails": sorted({os.fsdecode(told[-1]["thumbnail"]) for told in client.finals().values()}),
            "epoch": client.epoch.hex(),
            "session": client.session.hex(),
        }


if __name__ == "__main__":
    seen = watch(Path(sys.argv[1]), os.fsencode(sys.argv[2]), sys.argv[3], sys.argv[4])
    sys.stdout.write(json.dumps(seen))

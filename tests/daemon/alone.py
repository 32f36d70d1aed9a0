"""Doing in a process of its own what can't be undone, and hearing what became of it."""

import json
import subprocess
import sys
from typing import Any

#: What every such process begins with. `outcome` tells how a call ends: "done" or the name of the kernel's error.
_BEGINNING = """
import errno, json, os, socket, sys, threading
from thumbd_daemon.cage import kernel, landlock, seccomp
from thumbd_daemon.cage.landlock import CHANGING, EVERYTHING, Access

def outcome(do, *arguments, **named):
    try:
        do(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def tell(what):
    os.write(1, json.dumps(what).encode())

here = sys.argv[1]
os.chdir(here)
"""


def run_alone(source: str, folder: object) -> subprocess.CompletedProcess[bytes]:
    """Run Python `source` in a process whose folder is `folder`; it knows that as `here`."""
    command = [sys.executable, "-c", _BEGINNING + source, str(folder)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def told(source: str, folder: object) -> Any:
    """What `source` says by `tell`, when all of it went well."""
    done = run_alone(source, folder)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)

"""How the machine and its processes are, as the kernel tells it: memory, pressure, battery, a child's vital signs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from .load import Machine

_PRESSURE: Final = Path("/proc/pressure")
MOUNTINFO: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Vitals:
    """One process: whether it is stopped by a signal, waits in the kernel for something that is not its own choice (a
    file system), or sleeps over what the kernel does not tell; its processor seconds, how often it has gone to sleep of
    itself (each read that had to wait is such a time), its resident memory in bytes."""

    stopped: bool
    kept_waiting: bool
    asleep: bool
    cpu: float
    sleeps: int
    rss: int

    def idle_since(self, before: "Vitals") -> bool:
        """Whether it has neither computed nor got anything that it waited for in between."""
        return (self.kept_waiting or self.asleep) and (self.cpu, self.sleeps) == (before.cpu, before.sleeps)


#: Parts of the names of kernel functions that wait for a file system; what else a process sleeps in it has chosen.
_FILE_SYSTEMS: Final = (
    *("request_wait", "fuse", "nfs", "rpc_", "cifs", "smb", "ceph", "p9_", "v9fs", "afs", "autofs"),
    *("folio", "wait_on_page", "io_schedule", "wait_on_buffer", "bit_wait", "rwsem", "lookup_slow"),
)

#: What the kernel says where it does not say it.
_HIDDEN: Final = "0"


def vitals(pid: int) -> Vitals | None:
    """A child's vital signs; None when it has just gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            status = process.status()
            where = _waits_at(pid) if status == psutil.STATUS_SLEEPING else ""
            return Vitals(
                stopped=status == psutil.STATUS_STOPPED,
                kept_waiting=status == psutil.STATUS_DISK_SLEEP or any(part in where for part in _FILE_SYSTEMS),
                asleep=where == _HIDDEN,
                cpu=times.user + times.system,
                sleeps=process.num_ctx_switches().voluntary,
                rss=process.memory_info().rss,
            )
    except (psutil.Error, OSError):  # out of descriptors: nothing is known of anybody
        return None


def _waits_at(pid: int) -> str:
    """The kernel's function that a process sleeps in (``wchan``, proc(5)); of one that is locked in it is hidden from
    all but root, and some kernels tell it of nobody."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text(encoding="ascii") or _HIDDEN
    except OSError:
        return _HIDDEN


def pressure(kind: str, line: str) -> float | None:
    """Per cent of the last ten seconds in which `line` (``some`` or ``full``) of the tasks waited for `kind`
    (``memory``, ``io``); None where the kernel does not tell (Documentation/accounting/psi.rst)."""
    try:
        text = (_PRESSURE / kind).read_text(encoding="ascii")
    except OSError:
        return None
    for row in text.splitlines():
        name, *fields = row.split()
        if name == line and fields and fields[0].startswith("avg10="):
            return float(fields[0].removeprefix("avg10="))
    return None


def machine() -> Machine:
    """How the machine is now."""
    memory = psutil.virtual_memory()
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return Machine(
        on_battery=battery is not None and battery.power_plugged is False,
        free=memory.available / memory.total,
        memory=pressure("memory", "some"),
        io=pressure("io", "full"),
    )

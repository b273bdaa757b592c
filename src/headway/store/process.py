"""Is the process that wrote a run still there? A pid alone does not say: pids are used again."""

import socket
from pathlib import Path


def host_name() -> str:
    return socket.gethostname()


def machine_id() -> str:
    """The boot and the pid namespace: pids mean the same thing only to readers that share both."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        import psutil

        return f"{host_name()}/{psutil.boot_time():.0f}"


def process_started(pid: int) -> float | None:
    """Start of a living process (ticks since boot on Linux, else unix seconds); None where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_psutil(pid)
    state, *fields = stat.rpartition(")")[2].split()  # the command before it may hold spaces and brackets
    return None if state in "ZX" else float(fields[18])


def _started_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def is_alive(pid: int, started: float | None) -> bool:
    """Whether `pid` on this machine is still the process that started at `started`."""
    current = process_started(pid)
    return current is not None and (started is None or current == started)

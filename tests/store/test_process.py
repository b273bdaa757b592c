import os
import subprocess
import sys

import psutil

from headway.store.process import is_alive, machine_id, process_started


def test_this_process_is_alive() -> None:
    assert is_alive(os.getpid(), process_started(os.getpid()))


def test_a_reused_pid_is_not_the_same_process() -> None:
    started = process_started(os.getpid())
    assert started is not None
    assert not is_alive(os.getpid(), started - 1)


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_started(child.pid)
    assert is_alive(child.pid, started)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has collected it
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not is_alive(child.pid, started)
    child.communicate()
    assert not is_alive(child.pid, started)


def test_the_machine_is_the_same_for_two_processes() -> None:
    code = "from headway.store.process import machine_id; import sys; sys.stdout.write(machine_id())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == machine_id()

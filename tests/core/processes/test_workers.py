from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import multiprocessing, os, signal, time
from lewm_probe.core.processes.workers import become_worker, ctrl_c_ignored

def work():
    become_worker()
    os.kill(os.getpid(), signal.SIGINT)  # left to the parent
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    try:
        with ctrl_c_ignored():
            multiprocessing.get_context("spawn").Process(target=work).start()
            os.kill(os.getpid(), signal.SIGINT)
            print("held back", flush=True)
    except KeyboardInterrupt:
        print("heard", flush=True)
    time.sleep(600)
"""


def test_a_worker_ignores_ctrl_c_and_ends_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "held back\n"
        assert parent.stdout.readline() == "heard\n"
        worker = int(parent.stdout.readline())  # said after its own Ctrl-C
        os.kill(worker, 0)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 60
        while _runs(worker):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.communicate()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return _state(process) != "Z"


def _state(process: int) -> str:
    reported = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True
    )
    return reported.stdout.strip()[:1] or "Z"

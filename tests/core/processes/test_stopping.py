"""Signals, sent for real to processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lewm_probe.core.processes import stopping

START = """
import gc, os, signal, sys, time, weakref
from lewm_probe.core.processes.stopping import *
from lewm_probe.core.processes import stopping

def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)

class Held:
    pass
"""


def ran(body: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a script."""
    done = subprocess.run(
        [sys.executable, "-c", START + body], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_and_handlers_are_given_back(number: int) -> None:
    body = f"""
before = [signal.getsignal(n) for n in stopping.SIGNALS]
try:
    with heard():
        send({int(number)})
        time.sleep(60)
except KeyboardInterrupt as stop:
    print(type(stop).__name__, requested(), before == [signal.getsignal(n) for n in SIGNALS])
"""
    assert ran(body) == (0, "Stop False True\n", "")


SWALLOWED = {
    "weak reference": "held = Held(); kept = weakref.ref(held, lambda _: send()); del held",
    "__del__": "Held.__del__ = lambda self: send(); Held()",
    "library": "exec('try: send()\\nexcept BaseException: pass')",
}


@pytest.mark.parametrize("where", SWALLOWED)
def test_a_swallowed_signal_is_remembered_without_a_word(where: str) -> None:
    body = f"""
try:
    with heard():
        {SWALLOWED[where]}
        print("went on", requested())
        check()
        print("never")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "went on True\nstopped\n", "")


def test_nothing_ends_as_if_it_had_not_heard() -> None:
    body = """
try:
    with heard():
        try:
            send()
        except BaseException:
            pass
        print("all of the work")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "all of the work\nstopped\n", "")


def test_what_is_deferred_comes_at_the_end_of_the_outermost_block() -> None:
    body = """
try:
    with heard():
        with deferred():
            with deferred():
                send()
                check()
                print("inner", requested())
            print("outer")
        print("never")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "inner True\nouter\nstopped\n", "")


def test_a_second_signal_is_not_waited_with_but_two_at_once_are_one() -> None:
    body = """
try:
    with heard(), deferred():
        send(), send(signal.SIGINT)
        print("one wish")
        time.sleep(1.2 * stopping.TOGETHER)
        send()
        print("never")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "one wish\nstopped\n", "")


def test_an_error_in_a_deferred_block_is_the_error() -> None:
    body = """
try:
    with heard(), deferred():
        send()
        raise ValueError("its own")
except ValueError as error:
    print(error)
"""
    assert ran(body) == (0, "its own\n", "")


def test_clean_up_is_not_interrupted_by_the_same_wish() -> None:
    body = """
try:
    with heard():
        try:
            send()
        finally:
            send(signal.SIGINT)
            print("cleaned")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "cleaned\nstopped\n", "")


def test_what_is_to_be_ignored_stays_ignored() -> None:
    body = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with heard():
    send(signal.SIGINT)
    print(requested())
"""
    assert ran(body) == (0, "False\n", "")


def test_at_its_end_a_process_ignores_signals() -> None:
    body = """
import atexit
atexit.register(lambda: (send(), send(signal.SIGINT), print("ended")))
stopping.listen()
stopping.end()
"""
    assert ran(body) == (0, "ended\n", "")


def test_without_the_command_line_nothing_changes() -> None:
    assert ran("send()\n")[0] == -signal.SIGTERM
    body = """
try:
    with deferred():
        send(signal.SIGINT)
        print("never")
except KeyboardInterrupt as stop:
    print(type(stop).__name__, requested())
check()
"""
    assert ran(body) == (0, "KeyboardInterrupt False\n", "")


def test_other_lost_errors_are_still_told() -> None:
    code, _, errors = ran("""
def fail(_):
    raise ValueError("lost")
with heard():
    held = Held(); kept = weakref.ref(held, fail); del held
""")
    assert code == 0
    assert "ValueError: lost" in errors


def test_threads_hear_nothing() -> None:
    body = """
import threading
def work():
    with heard(), deferred():
        print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, stopping.HEARING.deferrals)
thread = threading.Thread(target=work); thread.start(); thread.join()
"""
    assert ran(body) == (0, "True 0\n", "")


def test_a_test_process_is_left_as_it_was() -> None:
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with pytest.raises(stopping.Stop), stopping.heard():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before
    stopping.check()


def test_an_import_is_not_interrupted(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.2)\n"
        "print('imported', flush=True)\n"
    )
    body = f"""
sys.path.append({str(tmp_path)!r})
try:
    with heard():
        import slow
        time.sleep(60)
except Stop:
    print("stopped")
print(signal.getsignal(signal.SIGALRM) == signal.SIG_DFL)
"""
    assert ran(body) == (0, "imported\nstopped\nTrue\n", "")


def test_clean_up_after_an_import_is_not_interrupted(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('imported', flush=True)\n"
    )
    body = f"""
sys.path.append({str(tmp_path)!r})
try:
    with heard():
        try:
            import slow
            check()
        finally:
            until = time.monotonic() + 10 * stopping.AGAIN
            while time.monotonic() < until:
                pass
            print("cleaned")
except Stop:
    print("stopped")
"""
    assert ran(body) == (0, "imported\ncleaned\nstopped\n", "")

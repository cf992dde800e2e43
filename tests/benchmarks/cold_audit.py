"""How long a whole audit takes with nothing remembered: wall and CPU seconds, by command.

    .venv/bin/python tests/benchmarks/cold_audit.py runs/two-room/lewm-cpu
    .venv/bin/python tests/benchmarks/cold_audit.py runs/two-room/lewm-cpu --fast

On a machine that others use, CPU seconds are what can be compared; the load beside them says so.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Audit what is named, in a fresh folder with an empty cache."""
    if len(sys.argv) < 2:
        sys.stdout.write(f"{__doc__}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="cold-audit-") as folder:
        place = Path(folder)
        command = [sys.executable, "-m", "lewm_probe.cli.main", "audit", *sys.argv[1:]]
        command += ["--out", str(place / "audit"), "--cache", str(place / "cache"), "--quiet"]
        before, started = os.getloadavg()[0], time.monotonic()
        code = subprocess.run(command, check=False).returncode
        wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.write(
        f"{wall:.0f} s of wall time, {used.ru_utime + used.ru_stime:.0f} s of CPU time, "
        f"{used.ru_maxrss / 2**20:.1f} GiB at most; load before it {before:.1f} on "
        f"{os.cpu_count()} cores\n"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())

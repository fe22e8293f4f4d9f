"""The processor time of another process."""

import os
from pathlib import Path

TICKS_PER_MS = os.sysconf("SC_CLK_TCK") / 1000


def cpu_ms(pid: int) -> float:
    """Milliseconds that all threads of a process have computed, for it and in the system's calls (proc(5): stat)."""
    behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(behind_the_name[11]) + int(behind_the_name[12])) / TICKS_PER_MS

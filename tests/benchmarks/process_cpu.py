"""What another process takes: processor time, memory, file descriptors."""

import os
from pathlib import Path

TICKS_PER_MS = os.sysconf("SC_CLK_TCK") / 1000


def cpu_ms(pid: int) -> float:
    """Milliseconds that all threads of a process have computed, for it and in the system's calls (proc(5): stat)."""
    behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(behind_the_name[11]) + int(behind_the_name[12])) / TICKS_PER_MS


def resident_mb(pid: int) -> float:
    """Megabytes that a process holds in memory (proc(5): statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))

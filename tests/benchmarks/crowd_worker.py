"""A worker as in production, but that it may dial and ask faster by a factor, and trusts the stand-ins' certificate.

    python -m tests.benchmarks.crowd_worker FACTOR CERTIFICATE

By the venues' limits alone a thousand accounts take tens of minutes until all are live. Who is live is read no more
often than by the limits as they are: of those that are widened, the share is smaller by the factor.
"""

import sys

import certifi

from worker.accounts.account import Account
from worker.app.bootstrap import run_worker
from worker.config import locations
from worker.config.logs import configure_logging
from worker.console.kit.terminal import read_settings, run

if __name__ == "__main__":
    given = read_settings()
    configure_logging(given, "worker")
    certifi.where = lambda: sys.argv[2]  # connections to venues trust this file, and no setting names another
    setattr(locations, "_SandboxAccount", Account)  # noqa: B010 - those of a sandbox are refused where they have TLS
    run(run_worker(given, widened=float(sys.argv[1])))

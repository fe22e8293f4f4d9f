"""A certificate that is renewed while the shim runs: new connections get the new one, nobody restarts anything."""

import ssl

import structlog

from worker.config.settings import Settings
from worker.config.tls import CertificateProblem, load_pair
from worker.runtime.files.file_watch import FileWatch
from worker.runtime.periodic import periodically

LOOK_S = 5.0
"""How often it is looked whether the files are others. They are renewed days before they end."""

log = structlog.get_logger("worker.shim")


class Renewal:
    """Gives a context the certificate of the files again whenever these change."""

    def __init__(self, context: ssl.SSLContext, settings: Settings, look_s: float = LOOK_S) -> None:
        self._context = context
        self._files = (settings.tls_cert, settings.tls_key)
        self._look_s = look_s
        self._watch = FileWatch(*filter(None, self._files))

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        await periodically(self._look, self._look_s)

    async def _look(self) -> None:
        self.look()

    def look(self) -> None:
        """Load what is new. What can't be used is told once, and the old certificate goes on."""
        cert, key = self._files
        if not self._watch.changed() or cert is None or key is None:
            return
        try:
            load_pair(self._context, cert, key, "PERPS_DMA_TLS")
        except CertificateProblem as error:
            log.error("certificate_reload_failed", error=str(error))
        else:
            log.info("certificate_reloaded", path=str(cert))

"""Certificates: of the HTTP shim, and towards the broker. What is wrong with a file is said at the start."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError

NOT_VERIFIED = "no_verify_ssl"
"""What the client library takes in a URL as the wish not to look at certificates."""


class CertificateProblem(ConfigurationError):
    """A certificate or key can't be used; the message names the setting and says why."""


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The context that the shim serves HTTPS with; None where it serves HTTP. Raises CertificateProblem."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise CertificateProblem("PERPS_DMA_TLS_CERT and PERPS_DMA_TLS_KEY belong together: set both, or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, cert, key, "PERPS_DMA_TLS")
    return context


def load_pair(context: ssl.SSLContext, cert: Path, key: Path, setting: str) -> None:
    """Give a context a certificate with its key. Raises CertificateProblem."""
    for name, file in (("CERT", cert), ("KEY", key)):
        _require_readable(f"{setting}_{name}", file)
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateProblem(f"{setting}_KEY: {key} is not the key of the certificate in {cert}") from error
        raise CertificateProblem(
            f"{setting}_CERT, {setting}_KEY: {cert} must hold a certificate in PEM, {key} its key in PEM without "
            f"password ({error.reason or error})"
        ) from error


def local_client_context(settings: Settings) -> ssl.SSLContext | bool:
    """How programs of this machine check the shim of `up`: by its own certificate, whatever host that is for."""
    if settings.tls_cert is None:
        return True
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _require_readable("PERPS_DMA_TLS_CERT", settings.tls_cert)
    context.load_verify_locations(settings.tls_cert)
    return context


def secured(url: str, settings: Settings) -> str:
    """The broker's URL, with the files of the settings in it as the client library takes them.

    Raises CertificateProblem for files that can't be used, and for a URL that would leave the broker unverified.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    files = {name: str(file) for name, file in _broker_files(settings).items() if file is not None}
    if parts.scheme != "amqps":
        if files:
            raise CertificateProblem("PERPS_DMA_AMQP_CA, _CERT and _KEY need an amqps:// URL in PERPS_DMA_AMQP_URL")
        return url
    if query.get(NOT_VERIFIED, "0") != "0":
        raise CertificateProblem(
            f"PERPS_DMA_AMQP_URL: {NOT_VERIFIED} would trust whoever answers; name its CA in PERPS_DMA_AMQP_CA instead"
        )
    _check_broker_files(settings)
    return urlunsplit(parts._replace(query=urlencode(query | files)))


def _broker_files(settings: Settings) -> Mapping[str, Path | None]:
    return {"cafile": settings.amqp_ca, "certfile": settings.amqp_cert, "keyfile": settings.amqp_key}


def _check_broker_files(settings: Settings) -> None:
    context = ssl.create_default_context()
    if settings.amqp_ca is not None:
        _require_readable("PERPS_DMA_AMQP_CA", settings.amqp_ca)
        try:
            context.load_verify_locations(settings.amqp_ca)
        except ssl.SSLError as error:
            raise CertificateProblem(f"PERPS_DMA_AMQP_CA: {settings.amqp_ca} holds no certificate in PEM") from error
    if (settings.amqp_cert is None) != (settings.amqp_key is None):
        raise CertificateProblem("PERPS_DMA_AMQP_CERT and PERPS_DMA_AMQP_KEY belong together: set both, or neither")
    if settings.amqp_cert is not None and settings.amqp_key is not None:
        load_pair(context, settings.amqp_cert, settings.amqp_key, "PERPS_DMA_AMQP")


def _require_readable(setting: str, file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise CertificateProblem(f"{setting}: {file} can't be read: {error.strerror}") from error

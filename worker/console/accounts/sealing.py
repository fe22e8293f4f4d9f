"""`perps-dma accounts seal`, `rotate` and `new-key`: credentials that may stand in the registry."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from worker.accounts.account import RegistryError
from worker.accounts.registry import CREDENTIALS
from worker.accounts.registry_edit import rotate, write_credential
from worker.accounts.sealing import NO_KEYS, SealingError, add_key, read_keys
from worker.config.settings import Settings
from worker.console.kit.terminal import fail


def seal_credential(settings: Settings, account_id: str, credential: str, *, write: bool) -> None:
    """Seal what is typed or piped in, and print the line for the registry, or write it there."""
    if credential not in CREDENTIALS:
        raise fail(f"a credential is one of {', '.join(CREDENTIALS)}, not {credential!r}")
    with _told():
        keys = read_keys(settings.sealing_keys)
        sealed = keys.seal(_secret(f"{credential} of {account_id}"), account_id, credential)
        if not write:
            typer.echo(f'{credential} = "{sealed}"')
            return
        path = _registry(settings)
        write_credential(path, account_id, credential, sealed)
    typer.echo(f"{credential} of {account_id} is sealed under key v{keys.newest} in {path}")


def rotate_credentials(settings: Settings) -> None:
    """Seal all of the registry under the newest key, and tell how many there were."""
    with _told():
        path, keys = _registry(settings), read_keys(settings.sealing_keys)
        rotated = rotate(path, keys)
    typer.echo(f"{path}: {rotated.anew} sealed anew under key v{keys.newest}, {rotated.already} under it already")


def make_key(settings: Settings) -> None:
    """Add a key to the file of keys, or begin the file."""
    where = settings.sealing_keys
    if not where:
        raise fail(f"there is no file to keep keys in: {NO_KEYS.partition(';')[0]}")
    if where.startswith("env:"):
        raise fail(f"the keys stand in {where}, which can't be written to from here; a file can")
    with _told():
        version = add_key(Path(where))
    typer.echo(f"{where}: key v{version} is new, and seals from now on")
    if version > 1:
        typer.echo("once every worker has the file, `perps-dma accounts rotate` seals the registry under it")


def _secret(of: str) -> str:
    """A secret from the terminal, unseen, or from a pipe; never from the arguments, which other users can read."""
    if sys.stdin.isatty():
        text: str = typer.prompt(of, hide_input=True, err=True)
    else:
        text = _piped(of)
    if not (secret := text.strip()):
        raise fail(f"there is nothing to seal: type or pipe in the {of}")
    return secret


def _piped(of: str) -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise fail(f"what was piped in as {of} is no text") from None


def _registry(settings: Settings) -> Path:
    if settings.accounts is None:
        raise RegistryError("there is no account registry: set PERPS_DMA_ACCOUNTS to its file")
    return settings.accounts


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SealingError, RegistryError) as error:
        raise fail(str(error)) from None
    except OSError as error:
        raise fail(f"{error.filename} can't be written: {error.strerror}") from None

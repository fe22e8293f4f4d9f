"""Makes a new venue from deploy/templates/venue: `make venue NAME=kraken`, or this program with the name."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TEMPLATE = "newvenue"

PLACES = {"venue": "worker/venues/{name}", "sandbox": "worker/sandbox/{name}"}
"""Where the folders of the template go."""

DESCRIPTION = "tests/support/venues/{name}.py"

ROW = """\
        "{name}": VenueFacts(
            credentials=_KEY,
            capabilities={{AccountType.STANDARD: _READS | {{Capability.LEVERAGE}}}},
        ),
"""

HELP = """\
Makes a new venue from the template, ready to run: an adapter and a stand-in that speak a protocol which was made up,
registered, with the acceptance cards and the adapter contract green. Then you make it true, module by module:

  worker/venues/NAME/          the adapter: hosts, errors, limits, client, instruments, terms, positions, history,
                               preflight, adapter, venue; each module says what goes there and which documents to read
  worker/sandbox/NAME/         the stand-in that speaks the venue's wire protocol
  tests/support/venues/NAME.py what the contract and the cards have to know of it, as data
  worker/accounts/venues.py    its row: credentials, capabilities, networks, regions
  schemas/control.py           its name, in the wire contract; the generated documents are written anew
  pyproject.toml               its name, in the import contracts of venues and of stand-ins

See deploy/docs/VENUES.md for the order in which to go on.
"""

NEXT = "next: make check, then deploy/docs/VENUES.md\n"


def main() -> None:
    """Read the command line, and make the venue."""
    parser = argparse.ArgumentParser(
        prog="make venue", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="lower case, as ccxt calls the exchange: kraken")
    made = make(parser.parse_args().name)
    sys.stdout.writelines(["made\n", *(f"  {path.relative_to(CHECKOUT)}\n" for path in made), NEXT])


def make(name: str) -> list[Path]:
    """Write and register a venue, and return what was written or changed. Exits before that where it can't be."""
    if not re.fullmatch(r"[a-z][a-z0-9]{1,30}", name):
        raise SystemExit(f"{name!r} is no name of a venue: lower-case letters and digits, as ccxt calls the exchange")
    copies = dict(_copies(name))
    if there := next((path for path in copies if path.exists()), None):
        raise SystemExit(f"there is a {there.relative_to(CHECKOUT)} already")
    changes = dict(_registered(name))
    for path, text in {**copies, **changes}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _tidy([*copies, *(path for path in changes if path.suffix == ".py")])
    _run("-m", "worker.app.cli", "schemas", "--write")
    _run("deploy/write_reference.py")
    return [*copies, *changes]


def _copies(name: str) -> Iterator[tuple[Path, str]]:
    """What the template becomes: paths and texts."""
    template = CHECKOUT / "deploy" / "templates" / "venue"
    for folder, place in PLACES.items():
        for module in sorted((template / folder).rglob("*.py")):
            path = CHECKOUT / place.format(name=name) / module.relative_to(template / folder)
            yield path, _named(module.read_text(), name)
    yield CHECKOUT / DESCRIPTION.format(name=name), _named((template / "described.py").read_text(), name)


def _named(text: str, name: str) -> str:
    return text.replace(TEMPLATE, name).replace(TEMPLATE.capitalize(), name.capitalize())


def _registered(name: str) -> Iterator[tuple[Path, str]]:
    """The files that name all venues, with one more."""
    wire = CHECKOUT / "schemas" / "control.py"
    yield wire, _replaced(wire, r"(?m)^(Exchange = .*Literal\[.*?)\]", rf'\1, "{name}"]')
    facts = CHECKOUT / "worker" / "accounts" / "venues.py"
    row = ROW.format(name=name)
    yield facts, _replaced(facts, r"(?ms)^(VENUES: .*?)^    \}$", lambda found: found[1] + row + "    }")
    contracts = CHECKOUT / "pyproject.toml"
    yield contracts, _replaced(contracts, r'(?m)^(    "binance \| .*)",$', rf'\1 | {name}",', 2)


def _replaced(path: Path, pattern: str, by: str | Callable[[re.Match[str]], str], times: int = 1) -> str:
    text, found = re.subn(pattern, by, path.read_text())
    if found != times:
        raise SystemExit(f"{path.relative_to(CHECKOUT)} does not look as expected; register the venue there by hand")
    return text


def _tidy(paths: list[Path]) -> None:
    """A name of another length breaks lines elsewhere, and one of another letter sorts elsewhere."""
    files = [str(path) for path in paths]
    _run("-m", "ruff", "check", "--quiet", "--select", "I", "--fix", *files)
    _run("-m", "ruff", "format", "--quiet", *files)


def _run(*arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - this program's own


if __name__ == "__main__":
    main()

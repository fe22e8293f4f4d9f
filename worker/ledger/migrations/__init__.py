"""The schema of the ledger in numbered steps. A step that has landed is never changed; a change is a new step."""

from importlib.resources import files

from worker.ledger.sql.errors import LedgerTooNew

Step = tuple[int, list[str]]


def missing(done: int, identity: str, where: str, place: str = "'here'", database: str = "sqlite") -> list[Step]:
    """The steps after the one a ledger has come to, each with its number and statements. Raises LedgerTooNew.

    `identity` is how the database writes a key that counts by itself, `place` what is another text whenever it may have
    lost commits without our noticing. A script that names a database, as `0000_name.postgresql.sql` does, is for that
    alone: elsewhere it is a step that does nothing.
    """
    scripts = sorted((file.name, file.read_text()) for file in files(__name__).iterdir() if file.name.endswith(".sql"))
    if done > len(scripts):
        raise LedgerTooNew(
            f"the ledger {where} has schema version {done}, and this program knows versions up to {len(scripts)}: "
            "a newer program has written it. Run that one, or point PERPS_DMA_LEDGER_URL to another ledger"
        )
    return [
        (number, _statements(script, {"{identity}": identity, "{place}": place}) if _is_for(database, name) else [])
        for number, (name, script) in enumerate(scripts, start=1)
        if number > done
    ]


def _is_for(database: str, name: str) -> bool:
    return name.count(".") == 1 or f".{database}." in name


def _statements(script: str, dialect: dict[str, str]) -> list[str]:
    for name, sql in dialect.items():
        script = script.replace(name, sql)
    parts = script.split(";\n")
    return [part.strip() for part in parts if part.strip()]

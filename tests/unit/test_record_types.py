"""A record whose type is in no table is never dropped in silence."""

from structlog.testing import capture_logs

from worker.telemetry.metrics import UNKNOWN_RECORDS
from worker.venues.reading.records import MOST_TYPES, Notion, RecordType, RecordTypes


def bills(venue: str) -> RecordTypes:
    return RecordTypes(
        venue,
        {
            "2": RecordType(Notion.REALIZED_PNL),
            "8": RecordType(Notion.FUNDING),
            "13": RecordType(Notion.REALIZED_PNL, "fillPnl"),
            "1": RecordType(Notion.TRANSFER),
        },
        "Bill details, type",
        {Notion.REALIZED_PNL: "pnl", Notion.FUNDING: "balChg"},
        own=[Notion.REALIZED_PNL],
    )


def test_the_amount_stands_where_the_table_says() -> None:
    types = bills("okx 1")
    assert [types.amount_field(kind, Notion.REALIZED_PNL) for kind in ("2", "13", "8", "1")] == [
        "pnl",
        "fillPnl",
        None,
        None,
    ]
    assert types.amount_field("8", Notion.FUNDING) == "balChg"
    assert types.of(Notion.REALIZED_PNL) == ("2", "13")


def test_an_unknown_type_is_told_by_the_notions_own_field_counted_and_logged_once() -> None:
    types = bills("okx 2")
    with capture_logs() as logs:
        fields = [types.amount_field("44", Notion.REALIZED_PNL) for _ in range(3)]
        assert types.amount_field("44", Notion.FUNDING) is None, "any bill changes a balance"
    assert fields == ["pnl"] * 3
    assert [(line["event"], line["type"], line["source"]) for line in logs] == [
        ("unknown_record_type", "44", "Bill details, type")
    ]
    assert UNKNOWN_RECORDS.labels("okx 2", "44")._value.get() == 4


def test_no_venue_can_make_metrics_without_end() -> None:
    types = bills("okx 3")
    with capture_logs() as logs:
        for number in range(100, 100 + 2 * MOST_TYPES):
            types.amount_field(str(number), Notion.REALIZED_PNL)
    assert len(logs) == MOST_TYPES
    assert UNKNOWN_RECORDS.labels("okx 3", "others")._value.get() == MOST_TYPES


def test_what_an_official_enumeration_knows_and_the_table_does_not_is_named() -> None:
    assert bills("okx 4").undecided(["1", "2", 8, "99"]) == {"99"}

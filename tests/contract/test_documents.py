"""The committed documents: as fresh as the models, and valid by the standards' own validators."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic_asyncapi.bindings.amqp import AMQPMessageBinding, AMQPOperationBinding, QueueBinding
from pydantic_asyncapi.v3 import AsyncAPI

from schemas import (
    COMMANDS,
    ERRORS,
    HTTP_PREFIXES,
    OPERATIONS,
    ROUTES,
    ErrorCode,
    Kind,
    Outcome,
    failure,
    operations,
)
from schemas.audit.records import Denial
from schemas.control import StreamHealth, VenueHealth, VenueState
from schemas.documents.definitions import EVENTS, references
from schemas.events import (
    CommandResult,
    ConfirmedBy,
    DeadLettersChange,
    DeadLettersEvent,
    DenialEvent,
    DoubtEvent,
    DoubtResolution,
    Drift,
    DriftedTerms,
    DriftEvent,
    EpochBegun,
    EpochEvent,
    Event,
    FreezeChange,
    FreezeEvent,
    InForce,
    KeepEvent,
    MarginEvent,
    MarginReading,
    MissedSweeps,
    PositionsEvent,
    PositionSnapshot,
    ResultEvent,
    Risk,
    RiskEvent,
    RiskKind,
    StreamChange,
    StreamEvent,
    StreamGap,
    SweepsMissedEvent,
    TermsEvent,
    ThresholdCrossed,
    ThresholdEvent,
    Timings,
    Trigger,
    VenueEvent,
)
from schemas.margin import Crossing, MarginLevel
from schemas.requests import MarginMode
from schemas.terms import ApplyStage, KeepingChanged, KeptState, TermsProgress
from tests.contract.test_api_examples import EXAMPLES
from worker.bus.amqp import topology
from worker.config.documents import FOLDER, documents, read, write
from worker.messages.wire import encode


@cache
def texts() -> dict[str, str]:
    return documents()


@cache
def openapi() -> dict[str, Any]:
    return dict(yaml.safe_load(texts()["openapi.yaml"]))


@cache
def asyncapi() -> dict[str, Any]:
    return dict(yaml.safe_load(texts()["asyncapi.yaml"]))


def json_schemas() -> list[str]:
    return sorted(name for name in texts() if name.endswith(".json"))


RESULT = ResultEvent(
    id="1",
    subject="binance-perp-001",
    time="2026-01-01T00:00:00Z",
    data=CommandResult(
        command_id="c-1",
        operation="set_leverage",
        exchange="binance",
        exchange_account_id="binance-perp-001",
        actor=None,
        outcome=Outcome.PRECONDITION_FAILED,
        requested={"leverage": 10},
        applied=None,
        confirmed_by=None,
        scope=None,
        venue_code="-4161",
        venue_response={"code": -4161},
        attempts=1,
        timings=Timings(received=1, sent=2, finished=3, deadline=4, venue=0.5),
        envelope=failure(ErrorCode.PRECONDITION_FAILED, "close the position first", venue_code="-4161"),
    ),
)
POSITIONS = PositionsEvent(
    id="2",
    subject="binance-perp-001",
    time="2026-01-01T00:00:00Z",
    data=PositionSnapshot(
        exchange="binance",
        exchange_account_id="binance-perp-001",
        seq=1,
        as_of=1,
        trigger=Trigger.SCHEDULE,
        command_ids=(),
        coverage=("linear",),
        stale=False,
        positions=(),
    ),
)

FROZEN = FreezeChange(scope="all", reason="audit", actor="ann", since=1, frozen=True)
TERMS = DriftedTerms(
    symbol="BTC/USDT:USDT",
    side="long",
    leverage_before=Decimal(5),
    leverage=Decimal(10),
    margin_mode_before=MarginMode.CROSS,
    margin_mode=MarginMode.CROSS,
)
RESOLVED = DoubtResolution(
    exchange="binance",
    exchange_account_id="binance-perp-001",
    operation="set_leverage",
    command_id="c-1",
    actor="ann",
    symbol="BTC/USDT:USDT",
    asset=None,
    wanted={"leverage": 10},
    in_force=InForce(leverage=Decimal(10), margin_mode=MarginMode.CROSS, sides=(Decimal(10), Decimal("2.5"))),
    as_wanted=True,
    confirmed_by=ConfirmedBy.READ_BACK,
    settled_by=None,
    balances=None,
    since=1,
    as_of=2,
    resolved=3,
    message="BTC/USDT:USDT is at 10x cross, as was wanted",
)
ABOUT = {"id": "3", "subject": "binance", "time": "2026-01-01T00:00:00Z"}
PUBLISHED: dict[str, Event] = {
    "result": RESULT,
    "positions": POSITIONS,
    "drift": DriftEvent(
        **ABOUT,
        data=Drift(exchange="binance", exchange_account_id="binance-perp-001", seq=2, as_of=1, positions=(TERMS,)),
    ),
    "doubt": DoubtEvent(**ABOUT, data=RESOLVED),
    "venue": VenueEvent(
        **ABOUT,
        data=VenueState(exchange="binance", health=VenueHealth.DOWN, markets_loaded=False, since=1, reason="502"),
    ),
    "freeze": FreezeEvent(**ABOUT, data=FROZEN),
    "keep": KeepEvent(
        **ABOUT,
        data=KeepingChanged(
            exchange="binance",
            exchange_account_id="binance-perp-001",
            version=2,
            state=KeptState.SUSPENDED,
            reason="all is frozen: audit",
            actor="keeper",
            at=1,
        ),
    ),
    "terms": TermsEvent(
        **ABOUT,
        data=TermsProgress(
            command_id="c-1",
            exchange="binance",
            exchange_account_id="binance-perp-001",
            actor="ann",
            stage=ApplyStage.PROGRESS,
            total=3,
            done=2,
            counts={"applied": 1, "unchanged": 1},
            symbol="BTC/USDT:USDT",
            at=1,
        ),
    ),
    "denial": DenialEvent(
        **ABOUT,
        data=Denial(
            at=1,
            status=403,
            reason="account",
            operation="set_leverage",
            actor="ann",
            address="127.0.0.1",
            account="okx-main",
            count=3,
        ),
    ),
    "stream": StreamEvent(
        **ABOUT,
        data=StreamChange(
            exchange="binance",
            exchange_account_id="binance-perp-001",
            state=StreamHealth.LIVE,
            since=2,
            gap=StreamGap(begin=1, end=2),
        ),
    ),
    "risk": RiskEvent(
        **ABOUT,
        data=Risk(
            exchange="binance",
            exchange_account_id="binance-perp-001",
            kind=RiskKind.RISK_LEVEL,
            level="MARGIN_CALL",
            symbols=(),
            figures={"uniMMR": "1.21"},
            at=1,
        ),
    ),
    "margin": MarginEvent(
        **ABOUT,
        data=MarginReading(
            **(json.loads(EXAMPLES["get_margin_health"].data) | {"exchange_account_id": "binance-perp-001"}),
            seq=3,
            trigger=Trigger.SCHEDULE,
            level=MarginLevel.OK,
            levels={},
        ),
    ),
    "threshold": ThresholdEvent(
        **ABOUT,
        data=ThresholdCrossed(
            exchange="binance",
            exchange_account_id="binance-perp-001",
            pool="linear/USDT",
            direction=Crossing.UP,
            level=MarginLevel.WARN,
            level_before=MarginLevel.OK,
            margin_ratio=Decimal("0.51"),
            is_liquidatable=False,
            threshold=Decimal("0.5"),
            seq=3,
            as_of=1,
        ),
    ),
    "epoch": EpochEvent(**ABOUT, epoch=2, data=EpochBegun(epoch=2, since=1, reason="the stream shows epoch 1")),
    "sweeps-missed": SweepsMissedEvent(
        **ABOUT,
        data=MissedSweeps(
            exchange="binance",
            exchange_account_id="binance-perp-001",
            schedule="daily 00:05",
            first=1,
            last=86_400_001,
            count=2,
            reason="nobody was there",
        ),
    ),
    "dead-letters": DeadLettersEvent(
        **ABOUT, data=DeadLettersChange(action="dropped", actor="ann", letters=("1",), reasons=("poison",))
    ),
}


def lookup(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def pointers(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from pointers(child)


def test_a_committed_document_is_what_the_models_say(subtests: pytest.Subtests) -> None:
    for name in texts():
        with subtests.test(name=name):
            assert read(name) == texts()[name], "it is out of date: run `make schemas` (perps-dma schemas --write)"


def test_no_schema_is_committed_that_nothing_generates() -> None:
    assert sorted(f"json/{path.name}" for path in (FOLDER / "json").iterdir()) == json_schemas()


def test_writing_leaves_exactly_the_documents(tmp_path: Any) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "get_rich.request.json").write_text("{}")
    write(tmp_path)
    written = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == texts()


def test_the_openapi_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()


def test_the_asyncapi_document_is_valid() -> None:
    parsed = AsyncAPI.model_validate(asyncapi())
    assert parsed.asyncapi == "3.0.0"
    assert set(OPERATIONS) < set(parsed.operations or {})


def test_the_amqp_bindings_of_queues_messages_and_operations_are_valid() -> None:
    bindings = [row["amqp"] for row in asyncapi()["components"]["channelBindings"].values()]
    queues = [QueueBinding.model_validate(row).queue.name for row in bindings if row["is"] == "queue"]
    assert set(queues) == {*OPERATIONS, "dma.dead-letters", "dma.events.log"}
    for message in asyncapi()["components"]["messages"].values():
        AMQPMessageBinding.model_validate(message["bindings"]["amqp"])
    for operation in asyncapi()["operations"].values():
        AMQPOperationBinding.model_validate(operation["bindings"]["amqp"])


@pytest.mark.parametrize("document", [openapi, asyncapi])
def test_every_reference_leads_somewhere(document: Callable[[], dict[str, Any]]) -> None:
    content = document()
    targets = list(pointers(content))
    assert targets
    for target in targets:
        assert lookup(content, target)


def test_a_json_schema_is_valid_and_stands_alone(subtests: pytest.Subtests) -> None:
    for name in json_schemas():
        with subtests.test(name=name):
            schema = json.loads(texts()[name])
            Draft202012Validator.check_schema(schema)
            assert set(references(schema)) == set(schema.get("$defs", {}))


def test_openapi_has_each_operation_once_and_both_prefixes_as_servers(subtests: pytest.Subtests) -> None:
    assert tuple(server["url"] for server in openapi()["servers"]) == HTTP_PREFIXES
    for operation in ROUTES:
        with subtests.test(operation=operation.name):
            assert openapi()["paths"][operation.path][operation.method.lower()]["operationId"] == operation.name


CONTROLS_MEET = {
    **{
        name: {"404"}
        for name in (
            *("get_command", "get_commands", "get_snapshots", "freeze", "unfreeze"),
            *("requeue_dead_letter", "drop_dead_letter", "cancel_command", "keep_terms", "get_terms"),
        )
    },
    "drop_terms": {"404", "409"},
}
"""The statuses of controls beside those that every route knows."""


def test_openapi_documents_a_status_for_every_way_an_operation_can_end(subtests: pytest.Subtests) -> None:
    for operation in ROUTES:
        with subtests.test(operation=operation.name):
            responses = openapi()["paths"][operation.path][operation.method.lower()]["responses"]
            always = {"200", "400", "401", "403", "414", "429", "431", "500", "503", "504"}
            always |= {"408", "413"} if operation.has_body else set()
            at_a_venue = always | {"404", "409", "502"}
            expected = {
                Kind.COMMAND: at_a_venue | {"202", "423"},
                Kind.QUERY: at_a_venue,
                Kind.CONTROL: always | CONTROLS_MEET.get(operation.name, set()),
            }
            assert set(responses) == expected[operation.kind]
            for status in set(responses) - {"200", "202"}:
                content = lookup(openapi(), responses[status]["$ref"])["content"]
                assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}


def test_openapi_explains_every_error_code_that_http_clients_meet() -> None:
    explained = " ".join(response["description"] for response in openapi()["components"]["responses"].values())
    # No such route or method belongs to no operation, and an unknown operation can only be named on the bus.
    elsewhere = {"not_found", "method_not_allowed", "unknown_operation"}
    assert {code for code in ERRORS if f"`{code}`" in explained} == set(ERRORS) - elsewhere


def test_a_query_parameter_is_never_null() -> None:
    operations = [operation for path in openapi()["paths"].values() for operation in path.values()]
    queries = [row for operation in operations for row in operation["parameters"] if row.get("in") == "query"]
    assert {row["name"] for row in queries} == {
        *("exchange_account_id", "symbol", "settle", "market_type", "since", "limit", "cursor", "exchange", "all"),
        *("operation", "outcome", "actor", "after"),
        *("types", "account", "from", "reason"),
    }
    assert not any("anyOf" in row["schema"] or row["schema"].get("default", "swap") is None for row in queries)


def test_asyncapi_names_the_exchanges_and_queues_that_are_declared() -> None:
    bindings = asyncapi()["components"]["channelBindings"]
    assert bindings["commands"]["amqp"]["exchange"]["name"] == operations.COMMANDS_EXCHANGE
    assert bindings["control"]["amqp"]["exchange"]["name"] == operations.CONTROL_EXCHANGE
    assert bindings["events"]["amqp"]["exchange"]["name"] == topology.EVENTS_EXCHANGE
    assert bindings["events_log"]["amqp"]["queue"]["name"] == operations.EVENTS_LOG
    assert bindings["dead_letters"]["amqp"]["queue"]["name"] == topology.DEAD_LETTERS


def test_asyncapi_has_a_request_and_a_reply_for_each_operation(subtests: pytest.Subtests) -> None:
    for operation in OPERATIONS.values():
        with subtests.test(operation=operation.name):
            row = asyncapi()["operations"][operation.name]
            channel = lookup(asyncapi(), row["channel"]["$ref"])
            assert (row["action"], channel["address"]) == ("receive", operation.name)
            request = lookup(asyncapi(), lookup(asyncapi(), row["messages"][0]["$ref"])["$ref"])
            assert request["payload"] == {"$ref": f"#/components/schemas/{operation.request.__name__}"}
            reply = lookup(asyncapi(), lookup(asyncapi(), row["reply"]["messages"][0]["$ref"])["$ref"])
            assert f"#/components/schemas/{operation.request.__name__}Success" in pointers(reply["payload"])


def test_asyncapi_publishes_events_under_the_routing_keys_the_models_make() -> None:
    named = {"operation": "set_leverage", "exchange": "binance", "account": "binance-perp-001"}
    made = {name: event.routing_key for name, event in PUBLISHED.items()}
    assert {name: asyncapi()["channels"][f"events_{name}"]["address"].format(**named) for name in PUBLISHED} == made


def test_every_event_is_tried_against_its_schema() -> None:
    assert set(PUBLISHED) == set(EVENTS)


def test_an_event_as_it_is_published_satisfies_its_schema(subtests: pytest.Subtests) -> None:
    for name, event in PUBLISHED.items():
        with subtests.test(name=name):
            schema = Draft202012Validator(json.loads(texts()[f"json/{name}.event.json"]))
            published = json.loads(encode(event))
            schema.validate(published)
            assert not schema.is_valid({**published, "more": 1})
            assert not schema.is_valid({**published, "data": {}})


def test_a_result_event_admits_the_envelopes_of_commands_and_of_failures_only() -> None:
    schema = json.loads(texts()["json/result.event.json"])
    envelopes = set(references(schema["$defs"]["CommandResult"]["properties"]["envelope"]))
    assert envelopes == {"Failure", *(f"{row.request.__name__}Success" for row in COMMANDS)}

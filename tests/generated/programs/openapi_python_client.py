"""Calls every operation with the client that openapi-python-client has made: its folder, then the calls on stdin."""

import importlib
import json
import sys
from pkgutil import walk_packages
from typing import Any

sys.path.insert(0, sys.argv[1])
import perps_dma_client.api
from perps_dma_client import AuthenticatedClient, models

MODULES = {
    module.name.rpartition(".")[2]: module.name
    for module in walk_packages(perps_dma_client.api.__path__, "perps_dma_client.api.")
}


def called(client: AuthenticatedClient, name: str, model: str | None, request: dict[str, Any]) -> tuple[int, str]:
    function = importlib.import_module(MODULES[name]).sync_detailed
    given = {"body": getattr(models, model).from_dict(request)} if model else typed(request)
    answer = function(client=client, **given)
    return answer.status_code, type(answer.parsed).__name__


def typed(request: dict[str, Any]) -> dict[str, Any]:
    kinds = {"market_type": models.MarketType, "exchange": models.Exchange}
    return {name: kinds[name](value) if name in kinds else value for name, value in request.items()}


asked = json.load(sys.stdin)
answers = {}
for call in asked["calls"]:
    with AuthenticatedClient(base_url=asked["url"], token=asked["tokens"][call["role"]]) as client:
        answers[call["name"]] = called(client, call["name"], call["model"], call["request"])
print(json.dumps(answers))

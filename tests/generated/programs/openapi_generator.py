"""Calls every operation with the client that openapi-generator has made: its folder, then the calls on stdin."""

import json
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])
import openapi_client

APIS = tuple(getattr(openapi_client, name) for name in dir(openapi_client) if name.endswith("Api"))


def called(client: Any, name: str, model: str | None, request: dict[str, Any]) -> tuple[int, str]:
    function = next(getattr(api(client), f"{name}_with_http_info") for api in APIS if hasattr(api, name))
    answer = function(getattr(openapi_client, model).from_dict(request)) if model else function(**request)
    return answer.status_code, type(answer.data).__name__


asked = json.load(sys.stdin)
answers = {}
for call in asked["calls"]:
    configuration = openapi_client.Configuration(host=asked["url"], access_token=asked["tokens"][call["role"]])
    with openapi_client.ApiClient(configuration) as client:
        answers[call["name"]] = called(client, call["name"], call["model"], call["request"])
print(json.dumps(answers))

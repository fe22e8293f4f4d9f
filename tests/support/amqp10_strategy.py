"""A strategy engine that speaks AMQP 1.0, by Apache Qpid Proton, as a program: URL ADDRESS SOURCE REPLY_TO REQUEST.

Debian's Python runs it, for that package is Debian's. REQUEST is a JSON object: `body` (an object), `id` (text), and
what is odd about it: `binary_id`, `value` (the body is a value, no data section). It prints the answer as JSON.
"""

import json
import sys
import uuid
from typing import Any

from proton import Message
from proton.utils import BlockingConnection

ANSWER_S = 20


def message(request: dict[str, Any], reply_to: str) -> Message:
    """The command as AMQP 1.0 has it."""
    body = json.dumps(request["body"])
    return Message(
        body if request.get("value") else body.encode(),
        inferred=True,
        durable=True,
        id=request["id"].encode() if request.get("binary_id") else uuid.UUID(request["id"]),
        correlation_id=request["id"],
        reply_to=reply_to,
        properties={"account": request["body"]["exchange_account_id"], "deadline": request["deadline"]},
    )


def main(url: str, address: str, source: str, reply_to: str, request: str) -> None:
    """Publish one command and print what is answered to it."""
    connection = BlockingConnection(url, timeout=ANSWER_S, allowed_mechs="PLAIN")
    receiver = connection.create_receiver(source)
    connection.create_sender(address).send(message(json.loads(request), reply_to))
    answer = receiver.receive(timeout=ANSWER_S)
    receiver.accept()
    print(
        json.dumps({"id": answer.correlation_id, "properties": answer.properties, "body": bytes(answer.body).decode()})
    )
    connection.close()


main(*sys.argv[1:])

"""What each dead letter is known by: its command id where that is its alone, and always a name that no other has.

A command id says who a letter is for people, and programs look for it. But the same command may have died twice, and a
sender may take whatever id it likes: another's, or one that a shell would read as something else. So letters with the
same id are told apart by what is in them, and those that are the same in everything by their number, `1of2`. Which of
those is thrown away is all one; their number is in their names so that a name out of an older list is nobody's.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractIncomingMessage

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")
"""One that can be typed as it is, and is no option of a command line."""

_CHANGES = re.compile(r"x-(delivery|acquired)-count")
"""What the broker counts on while a letter is only looked at."""

WHOLE_ID, DIGITS = 16, 12


@dataclass(frozen=True, slots=True)
class LetterName:
    """What a letter is known by: its `id`, and a name that stays its own when letters with its id come and go."""

    id: str
    own: str


def names_of(messages: Sequence[AbstractIncomingMessage]) -> list[LetterName]:
    """The names of letters, no two the same; in the order of the letters."""
    bases = [base_id(message) for message in messages]
    own = [f"{base}.{_digest(message)}" for base, message in zip(bases, messages, strict=True)]
    choices = list(zip(bases, own, _numbered(own), strict=True))
    level = [0] * len(choices)
    while taken_twice := _taken_twice(choices, level):
        for place in taken_twice:
            level[place] += 1
    return [LetterName(names[at], names[max(at, 1)]) for names, at in zip(choices, level, strict=True)]


def base_id(message: AbstractIncomingMessage) -> str:
    """The command id, or made from the message where that had none that can be typed."""
    if message.message_id and _SAFE_ID.fullmatch(message.message_id):
        return message.message_id
    return _sha256(message.timestamp, message.message_id, message.body)[:WHOLE_ID]


def _taken_twice(choices: Sequence[tuple[str, ...]], level: Sequence[int]) -> list[int]:
    """The places of those that share their name, and have a longer one."""
    names = [choice[at] for choice, at in zip(choices, level, strict=True)]
    counted = Counter(names)
    return [place for place, name in enumerate(names) if counted[name] > 1 and level[place] + 1 < len(choices[place])]


def _numbered(names: Sequence[str]) -> list[str]:
    counted, seen = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name}.{seen[name]}of{counted[name]}")
    return numbered


def _digest(message: AbstractIncomingMessage) -> str:
    """All that a letter is and that stays so."""
    headers = sorted((name, repr(value)) for name, value in message.headers.items() if not _CHANGES.fullmatch(name))
    about = (message.message_id, message.type, message.correlation_id, message.timestamp, message.user_id)
    return _sha256(*about, message.exchange, message.routing_key, headers, message.body)[:DIGITS]


def _sha256(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode(errors="backslashreplace")).hexdigest()

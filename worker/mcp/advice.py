"""What to do about each error, for an agent that has met it: more than what it means, which `ERRORS` says."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.outcomes import ErrorCode

_WAIT = "Wait as long as retry_after_s says, or some seconds, and call it again."
_ASK = "Tell a person: it takes somebody who operates the service."

ADVICE: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.INVALID_REQUEST: "Correct the fields that are named and call it again.",
        ErrorCode.REJECTED: "Do not repeat it: take another value, within what the message says.",
        ErrorCode.UNSUPPORTED: "Do not repeat it: get_accounts lists what each account can do.",
        ErrorCode.UNAUTHORIZED: "Tell a person: the token of this server is missing, expired or wrong.",
        ErrorCode.FORBIDDEN: "Do not repeat it: it takes a right that only a person can grant.",
        ErrorCode.UNKNOWN_ACCOUNT: "Call get_accounts, and use an id that is listed there.",
        ErrorCode.UNKNOWN_SYMBOL: "Use a unified symbol such as BTC/USDT:USDT; get_positions shows those held.",
        ErrorCode.UNKNOWN_OPERATION: "List the tools again: this one is not known to the service that runs.",
        ErrorCode.UNKNOWN_COMMAND: "Check the id; a command that was just sent may need a moment to be known.",
        ErrorCode.UNKNOWN_DEAD_LETTER: "Call get_dead_letters, and use an id that is listed there.",
        ErrorCode.NOT_FOUND: "Tell a person: this server asks an address where the service is not.",
        ErrorCode.METHOD_NOT_ALLOWED: "Tell a person: this server and the service are of different versions.",
        ErrorCode.PRECONDITION_FAILED: "Close or change first what the message names, or ask a person to.",
        ErrorCode.CONFLICT: "Leave command_id out, so that the command gets an id of its own.",
        ErrorCode.GUARDRAIL: "Do not repeat it: a person alone widens the guardrail that the message names.",
        ErrorCode.FROZEN: "Do not repeat it: a person has stopped changes, and the message says why.",
        ErrorCode.PAYLOAD_TOO_LARGE: "Send less: no request comes near this size.",
        ErrorCode.REQUEST_TIMEOUT: _WAIT,
        ErrorCode.URI_TOO_LONG: "Send less: no request comes near this size.",
        ErrorCode.HEADERS_TOO_LARGE: "Shorten the reason.",
        ErrorCode.THROTTLED: _WAIT,
        ErrorCode.RATE_LIMITED: _WAIT,
        ErrorCode.INTERNAL_ERROR: _ASK,
        ErrorCode.UNKNOWN: "Read what is in force (get_leverage, get_doubts, get_command) before anything else; "
        "the service looks too, and its doubt ends by itself.",
        ErrorCode.VENUE_UNAVAILABLE: "Nothing was changed. get_status tells how the venue fares; call it again later.",
        ErrorCode.NO_WORKER: _WAIT,
        ErrorCode.BROKER_UNAVAILABLE: "Read the message, which says whether anything was sent. A command may be sent "
        "again with the same command_id, which carries it out once.",
        ErrorCode.LEDGER_UNAVAILABLE: "Read the message, which says whether anything was changed; call it again later.",
        ErrorCode.KEYS_UNAVAILABLE: _WAIT,
        ErrorCode.OVERLOADED: _WAIT,
        ErrorCode.EXPIRED: "Nothing was sent and never will be: call it again without command_id if still wanted.",
        ErrorCode.TIMEOUT: "Call get_command with this command_id to learn what became of it, or the same tool "
        "with the same command_id, which carries it out once.",
    }
)

"""The limits that venues meter: one limiter for each, shared by all accounts of the process.

```
request context ─▶ limiter ─▶ pending request ─▶ meters of its scopes, each with its windows
                     │              └▶ the queue, where one of them has no room
                     ├ tables say what a request costs
                     └▶ permit, for who may go
```
"""

from worker.venues.limits.limiter import Limits
from worker.venues.limits.meter import Headroom
from worker.venues.limits.request_context import CONTEXT, RequestContext, Urgency, billed, requesting, within

__all__ = ["CONTEXT", "Headroom", "Limits", "RequestContext", "Urgency", "billed", "requesting", "within"]

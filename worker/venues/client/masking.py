"""Taking secrets out of what a venue answers, however it has written them.

```
as it is      in any mixture of cases
encoded       hex of any case; base64 of both alphabets, also as a part of something larger that was encoded
escaped       any of these, some or all of its characters, as JSON, URLs and HTML do it, or broken by line ends
```

It runs on every answer, so that it first looks for each form with the interpreter's own search, which is all that is
done where none is found. No secret is kept but in the mask, which lives as long as its account's transport.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from sys import byteorder
from typing import NamedTuple
from urllib.parse import quote, quote_plus

HIDDEN = "***"

SHORTEST_CODE = 8
"""Encoded, a shorter one would be found in what has nothing to do with it, such as the number of an order."""

SAMPLE = 8
"""Bytes: one number of the processor's. So many in a row of a key stand in hardly any answer that does not hold it."""

LEAST_STEP, MOST_STEP = 32, 40
"""Bytes from one sample to the next. With fewer the samples cost more than the searches that they spare; with more each
account keeps more of them, 0.1 MB.
"""

MOST_ESCAPES = 20_000
"""No answer of a venue holds so many; to read them all would keep others waiting."""

DEEPEST = 3
"""How often an escape may be escaped itself. Whoever hides a secret so deep has all of the answer taken out."""

_HEX = re.compile(r"(?:[0-9a-f]{2}){8,}", re.IGNORECASE)
_CODE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+/-_")
_ESCAPE = re.compile(
    r"%(?:25)*(?P<url>[0-9a-f]{2})"
    r"|&(?:#x0*(?P<hexadecimal>[0-9a-f]{1,4})|#0*(?P<decimal>[0-9]{1,5})|(?P<name>quot|amp|lt|gt|apos));"
    r"|\\\\*u(?P<json>[0-9a-f]{4})"
    r"|\\[rn]|\n|\r"
    r"|\\\\*(?P<plain>[^u]|$)",
    re.DOTALL,
)
"""In lower case. Each alternative begins with a character of its own: in a text without them the search is fast."""

_ANY = "surrogatepass"
"""What is looked for and what it is looked for in are written down alike, even what is no Unicode text."""

_NAMED = {"quot": '"', "amp": "&", "lt": "<", "gt": ">", "apos": "'"}
_MAY_BE_ESCAPED = ("%", "\\", "&", "\n", "\r")


class TextSpan(NamedTuple):
    """A part of a text."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Form:
    """Something to look for, in lower case. Of a `code`, the characters beside it may hold a part of the secret."""

    text: str = field(repr=False)
    is_code: bool = False

    def spans_in(self, text: str) -> Iterator[TextSpan]:
        """Where it stands in a text in lower case."""
        at = text.find(self.text)
        while at >= 0:
            end = at + len(self.text)
            before, behind = text[at - 1 : at] in _CODE, text[end : end + 1] in _CODE
            yield TextSpan(at - before, end + behind) if self.is_code else TextSpan(at, end)
            at = text.find(self.text, end)


class _Sieve:
    """Tells of most texts by samples that they hold none of some forms, each of which takes a search of its own.

    ```
    text    .......[sample].........[sample].........[sample].........
    form              [ at least as long as from one sample to the end of the next ]
    ```

    So a form that is there covers a sample, wherever it begins: one that starts less than a step behind its own begin,
    so that no others of it are kept. Where forms are short the samples would be many, and none are.
    """

    def __init__(self, forms: Iterable[Form]) -> None:
        codes = [form.text.encode(errors=_ANY) for form in forms]
        self._step = min(min(map(len, codes), default=0) - SAMPLE + 1, MOST_STEP) // SAMPLE * SAMPLE
        kept = range(self._step if self._step >= LEAST_STEP else 0)
        self._samples = frozenset(int.from_bytes(code[at : at + SAMPLE], byteorder) for code in codes for at in kept)

    def lets_through(self, text: str) -> bool:
        """Whether one of the forms may be in a text."""
        if self._step < LEAST_STEP:
            return True
        code = memoryview(text.encode(errors=_ANY))
        numbers = code[: len(code) // SAMPLE * SAMPLE].cast("Q")  # read as numbers in a third of the time of slices
        return not self._samples.isdisjoint(numbers[:: self._step // SAMPLE].tolist())


class SecretMask:
    """Knows the secrets of one account, and takes them out of a text."""

    def __init__(self, *secrets: str) -> None:
        self._forms = tuple({form for secret in secrets for form in _forms(secret)})
        self._sieve = _Sieve(self._forms)
        self._unescaped = tuple({Form(_without_breaks(form.text), form.is_code) for form in self._forms})

    def __call__(self, text: str) -> str:
        """The text with `***` in place of every secret."""
        if not self._forms:
            return text
        if self._sieve.lets_through(lower := _lower(text)):
            text = _hidden(text, _spans(lower, self._forms))
        return self._without_escaped(text) if any(sign in text for sign in _MAY_BE_ESCAPED) else text

    def _without_escaped(self, text: str) -> str:
        if sum(map(text.count, "%\\&")) > MOST_ESCAPES:
            return HIDDEN
        plain = _Unescaped(_lower(text))
        text = _hidden(text, [plain.origin(span) for span in _spans(plain.text, self._unescaped)])
        return HIDDEN if self._is_deeper_in(text) else text

    def _is_deeper_in(self, text: str) -> bool:
        """Whether a secret comes to light when what is unescaped is unescaped again."""
        text = _lower(text)
        for _ in range(DEEPEST):
            text, before = _Unescaped(text).text, text
            if text == before:
                return False
            if any(form.text in text for form in self._unescaped):
                return True
        return False


class _Unescaped:
    """A text in lower case whose escapes are resolved, and where each part of it came from."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._begins: list[int] = []
        self._origins: list[tuple[int, int, bool]] = []
        length = last = 0
        for escape in _ESCAPE.finditer(text):
            for piece, begin, end, is_whole in (
                (text[last : escape.start()], last, escape.start(), False),
                (_meaning(escape), *escape.span(), True),
            ):
                pieces.append(piece)
                self._begins.append(length)
                self._origins.append((begin, end, is_whole))
                length += len(piece)
            last = escape.end()
        pieces.append(text[last:])
        self._begins.append(length)
        self._origins.append((last, len(text), False))
        self.text = "".join(pieces)

    def origin(self, span: TextSpan) -> TextSpan:
        """What a part of it was before."""
        return TextSpan(self._origin(span.begin).begin, self._origin(span.end - 1).end)

    def _origin(self, at: int) -> TextSpan:
        piece = bisect_right(self._begins, at) - 1
        begin, end, is_whole = self._origins[piece]
        if is_whole:
            return TextSpan(begin, end)
        place = begin + at - self._begins[piece]
        return TextSpan(place, place + 1)


def _meaning(escape: re.Match[str]) -> str:
    kind = escape.lastgroup
    if kind is None:  # a line end
        return ""
    value = escape[kind]
    if kind == "plain":
        return value
    if kind == "name":
        return _NAMED[value]
    return _lower(chr(int(value, 10 if kind == "decimal" else 16)))


def _forms(secret: str) -> Iterator[Form]:
    """All that is looked for of a secret."""
    for written in {secret, secret.removeprefix("0x").removeprefix("0X")} - {""}:
        plain = {written, written.encode().decode("latin-1"), quote(written, safe=""), quote_plus(written)}
        yield from (Form(_lower(text)) for text in plain)
        cases = {case.encode() for case in (written, written.lower(), written.upper())}
        yield from (Form(code) for raw in cases if len(code := raw.hex()) >= SHORTEST_CODE)
        bare = {bytes.fromhex(written)} if _HEX.fullmatch(written) else set()
        yield from (Form(code, is_code=True) for raw in cases | bare for code in _in_base64(raw))


def _in_base64(raw: bytes) -> Iterator[str]:
    """What is surely in the base64 of anything that holds this: it may begin at any of the three bytes of a group.

    >>> sorted(set(_in_base64(b"a secret")))
    ['egc2vjcmv0', 'hihnly3jld', 'ysbzzwnyzx']
    """
    for before in range(3):
        bits = 8 * (before + len(raw))
        for encode in (b64encode, urlsafe_b64encode):
            code = encode(bytes(before) + raw).decode()[-(-8 * before // 6) : bits // 6].lower()
            if len(code) >= SHORTEST_CODE:
                yield code


def _lower(text: str) -> str:
    """In lower case, each character in its place: of all there are, only this one becomes two."""
    return text.replace("\u0130", "i").lower()


def _without_breaks(text: str) -> str:
    """As it is found where escapes are resolved, and with them every backslash and line end."""
    return re.sub(r"[\\\r\n]", "", text)


def _spans(text: str, forms: Iterable[Form]) -> list[TextSpan]:
    return [span for form in forms if form.text in text for span in form.spans_in(text)]


def _hidden(text: str, spans: list[TextSpan]) -> str:
    """The text without its parts; those that overlap are one."""
    if not spans:
        return text
    pieces: list[str] = []
    last = 0
    for begin, end in sorted(spans):
        if begin >= last:
            pieces += (text[last:begin], HIDDEN)
        last = max(last, end)
    return "".join((*pieces, text[last:]))

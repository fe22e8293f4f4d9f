"""What all venues' readings of a request's parameters have in common: values by name, as they were sent."""

from collections.abc import Iterator, Mapping


class SentParameters(Mapping[str, str]):
    """Parameters by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

"""What stands at the end of every help: the command as somebody would type it."""


def example(*lines: str) -> str:
    """The end of a command's help; each line is a call that would be understood.

    >>> example("perps-dma status")
    'Example: perps-dma status'
    """
    word = "Example" if len(lines) == 1 else "Examples"
    return f"{word}: " + "\n\n".join(lines)

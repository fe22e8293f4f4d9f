"""`perps-dma schemas`: the API documents."""

from worker.config import documents
from worker.console.kit.display import console, table


def show_documents(name: str | None, *, write: bool) -> bool:
    """Write, print or list the documents. False when there is none of that name."""
    if write:
        for path in documents.write():
            console.print(f"wrote {path}")
        return True
    texts = documents.documents()
    if name is None:
        console.print(table(["document", "bytes"], ((key, len(text)) for key, text in texts.items())))
        return True
    if name not in texts:
        console.print(f"there is no document {name!r}; there are {', '.join(texts)}")
        return False
    console.out(texts[name], highlight=False)
    return True

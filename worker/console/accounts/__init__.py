"""`perps-dma accounts`: the accounts, what is wrong with them, their credentials."""

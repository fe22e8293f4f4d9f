"""`perps-dma audit`: what it says, whether it is whole, and how it is archived."""

"""The operations as tools of the Model Context Protocol, for agents: `perps-dma mcp`."""

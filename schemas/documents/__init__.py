"""The documents that are generated from the table of operations: AsyncAPI, OpenAPI and JSON Schemas."""

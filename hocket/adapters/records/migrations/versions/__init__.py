"""One module a schema revision. Released ones are never changed."""

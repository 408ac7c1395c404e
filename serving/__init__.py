"""The scoring API, the coach's pages and the store. Never trains."""

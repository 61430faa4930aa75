"""Durable memory: SQLite, and the per-issue run log."""

"""The `symphony` command."""

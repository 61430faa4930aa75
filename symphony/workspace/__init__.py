"""Per-issue git workspaces, hooks, and the handoff."""

"""symphony lets coding agents work through a backlog of Markdown issues."""

__version__ = "0.1.0"

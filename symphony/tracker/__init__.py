"""Issues as Markdown files."""

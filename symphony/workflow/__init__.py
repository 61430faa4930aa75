"""WORKFLOW.md: load, validate, reload, render the prompt."""

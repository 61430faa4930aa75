"""The HTTP listener: API, agent endpoint, and later the dashboard."""

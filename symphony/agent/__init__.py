"""Agent programs over the Agent Client Protocol: adapters, the session, the demo agent."""

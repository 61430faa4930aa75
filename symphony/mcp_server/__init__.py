"""What an agent may call, and how its calls arrive."""

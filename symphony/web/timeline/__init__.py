"""A run log as a story for people: structured entries, pure, bounded and safe to print."""

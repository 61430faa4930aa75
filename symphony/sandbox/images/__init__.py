"""Guest images: their definitions, the library that keeps them, and what the workflow may name."""

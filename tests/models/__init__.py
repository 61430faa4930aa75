"""A model server that plays a written script to real agents, in the dialects of their providers."""

"""Labelled texts for the guard rails' detectors: what has to be found, and what must be left alone."""

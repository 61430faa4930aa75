"""A microVM for every attempt, by smolvm's command line."""

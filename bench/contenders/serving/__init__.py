"""Serving images: this program, what else one would put in front of the registry, and the load."""

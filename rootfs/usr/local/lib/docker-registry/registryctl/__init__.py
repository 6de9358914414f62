"""What a registry's storage holds, what its tags need, and the removal of the rest."""

VERSION = "2.0.0.dev0"
"""The version of the whole: of these tools, and of the program that put them here."""

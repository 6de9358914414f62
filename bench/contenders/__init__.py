"""What one would set up the same registry with, and this program; `files/` is what an administrator would keep."""

"""Stand-ins for Pulumi plugins, for machines where the official ones can't be had.

They belong to the tests alone: wherever the official plugins are installed, those are used. `tests/contract`
compares their answers with recordings of the official providers.
"""

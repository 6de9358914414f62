"""A proof, independent of the tools on the host, that what they remove is needed by nobody.

Nothing here shares code with them: what a client gets and what it needs is written down anew from what Distribution
does with its files.
"""

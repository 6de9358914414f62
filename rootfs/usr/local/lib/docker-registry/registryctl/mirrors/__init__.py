"""`registryctl mirrors`: keeps what mirrors of other registries have within its bounds."""

NAME = "mirrors"
"""Where a run leaves what came of it, for registry-status."""

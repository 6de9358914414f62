"""What a team needs to change its registries by pull request: previews, deployments, drift."""

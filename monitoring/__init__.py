"""What watches registries: alert rules, and a dashboard."""

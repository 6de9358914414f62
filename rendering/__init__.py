"""Pure rendering of what lands on a host: text in, text out, no Pulumi."""

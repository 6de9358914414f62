"""`registryctl metrics`: what the registry is and does, in numbers, as Prometheus reads them."""

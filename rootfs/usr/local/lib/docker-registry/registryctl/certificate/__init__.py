"""The proxy's certificate: got, made or copied, put in place, and renewed."""

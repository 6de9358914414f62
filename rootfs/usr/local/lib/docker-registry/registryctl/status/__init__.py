"""`registry-status`: how the registry on this host is. A concern is a module with a function `look`."""

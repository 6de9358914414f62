"""How many faults the tests would notice: `make mutation`."""

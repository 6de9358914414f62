"""The benchmarks: this program beside what one would pick instead, in one run on one lab host (`make bench`)."""

"""Several hosts with one bucket: who writes there, and how one of them keeps the others from it for a while."""

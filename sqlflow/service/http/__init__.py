"""The service's HTTP API: one guard in front of every request, one table of endpoints behind it."""

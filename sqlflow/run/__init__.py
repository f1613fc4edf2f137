"""Third floor: executes a plan, checks its results, publishes them. The only floor that changes the world."""

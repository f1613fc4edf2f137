"""Ground floor: the nouns that everything speaks, the adapter contracts, events and errors."""

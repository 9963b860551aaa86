"""Projects as planners see them: what is stored of an update of each, and what is answered from it."""

"""Records -> text."""

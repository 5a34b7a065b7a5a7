"""Engines behind one contract (`base`)."""

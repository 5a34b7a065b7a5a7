"""Measure a cell: one variant in one engine with one set of options."""

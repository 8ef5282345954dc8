"""A first suite for an object that has none: its text, as a person would write it. Nothing is run here."""

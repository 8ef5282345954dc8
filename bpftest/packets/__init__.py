"""Packets: what a suite says becomes bytes, and bytes become fields that people read."""

"""Processes without privileges, for what strangers wrote: they compute, and do nothing else."""

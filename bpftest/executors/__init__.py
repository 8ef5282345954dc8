"""Where suites run: each executor takes plans and gives one stream of events."""

"""Programs for those who work on Hornbeam; not installed."""

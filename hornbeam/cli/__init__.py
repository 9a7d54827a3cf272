"""The command line, `hornbeam`."""

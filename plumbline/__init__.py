"""The command line of Plumbline and its demo; everything below is a library of its own."""

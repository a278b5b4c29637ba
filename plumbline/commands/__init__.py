"""One module per command group: it parses, calls one function of the floors below, and prints one result."""

"""The demo: the whole story on a year of real flights, with the same functions that the commands call."""

"""The way of a record from its end to the back end."""

"""Takes OTLP in: checks it, brings every dialect to one form, and hands columns to the store."""

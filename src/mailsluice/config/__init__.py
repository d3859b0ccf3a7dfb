"""The configuration: `models` says what may be in it, `load` reads it and names every mistake."""

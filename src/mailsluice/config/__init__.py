"""The configuration: `models` says what may be written, `load` reads it and names every mistake."""

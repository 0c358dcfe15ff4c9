"""Rules before they ship: explained, tested, compared row by row and in money."""

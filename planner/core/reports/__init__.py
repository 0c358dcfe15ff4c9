"""What finance asks of the sums: dimensions, figures, shared credit, the month's end, its closing, its worth."""

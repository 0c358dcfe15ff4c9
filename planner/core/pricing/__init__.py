"""What things cost: dated rows with a source, what an organization pays less, and the lines of one response."""

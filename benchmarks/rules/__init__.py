"""What the rule catalogue costs, and what it does to data."""

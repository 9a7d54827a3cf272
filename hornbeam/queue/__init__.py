"""Waking workers up, asking the planner, and what is too fleeting for the database."""

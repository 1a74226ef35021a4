"""Proof that a migration lost and opened nothing: two trees compared, without the planner."""

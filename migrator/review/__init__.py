"""Views: a Plan or an Inventory as something to read, for people and for programs."""

"""Planning: an Inventory and a policy become a Plan; nothing here reads or writes a file."""

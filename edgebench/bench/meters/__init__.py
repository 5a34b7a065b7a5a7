"""What counts energy: one file for each kind of meter, and the contract."""

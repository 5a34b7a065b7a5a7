"""What can be opened: cards, the artifacts they name, and labelled data."""

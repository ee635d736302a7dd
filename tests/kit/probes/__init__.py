"""What runs inside a turn or beside it and tells a test what it sees."""

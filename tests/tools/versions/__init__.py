"""`make versions`: which Hermes versions the router works on, shown by tests that run on each."""

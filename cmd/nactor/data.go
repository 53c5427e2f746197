package main

// isData reports whether err says that the data directory cannot be used.
func isData(err error) bool { return false }

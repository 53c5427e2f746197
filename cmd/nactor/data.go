package main

import (
	"errors"

	"nactor/persistence"
)

// isData reports whether err says that the data directory cannot be used as it is.
func isData(err error) bool {
	for _, refusal := range []error{
		persistence.ErrCorrupt, persistence.ErrNewer, persistence.ErrLost, persistence.ErrLocked, persistence.ErrRemoved,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

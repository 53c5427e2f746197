package main

import (
	"errors"

	"nactor/cmd/nactor/node"
	"nactor/persistence"
)

// isData reports whether err says that the data directory cannot be used as it is.
func isData(err error) bool {
	for _, refusal := range []error{
		persistence.ErrCorrupt, persistence.ErrNewer, persistence.ErrLost, persistence.ErrLocked, persistence.ErrMode, node.ErrCopied, persistence.ErrRemoved,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

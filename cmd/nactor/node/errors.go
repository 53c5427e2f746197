package node

import "errors"

// ErrCopied says that another node lives on a copy of this one's data, or this one on a copy of
// that one's.
var ErrCopied = errors.New("its home was copied")

// SettingsError says that a setting cannot be used, and what to do about it.
type SettingsError struct{ err error }

func (e *SettingsError) Error() string { return e.err.Error() }
func (e *SettingsError) Unwrap() error { return e.err }

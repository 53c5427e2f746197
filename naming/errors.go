package naming

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an [Error] is; each front maps it to its own codes once.
type Kind uint8

const (
	// KindInternal is everything that is not the caller's doing.
	KindInternal Kind = iota
	// KindInvalid is a malformed argument (Java's IllegalArgumentException in Nacos).
	KindInvalid
	// KindRejected is a well-formed request that the rules refuse (NacosException in Nacos).
	KindRejected
	// KindNotFound is a request for something that is not there (NacosException 404).
	KindNotFound
	// KindUnavailable is a request that may succeed later: overload, a time-out, a full disk.
	KindUnavailable
)

// Error is a failure with a message for people and a kind for machines. The message is
// Nacos's own where Nacos has one.
type Error struct {
	Kind    Kind
	Message string
	Err     error // cause, may be nil
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Invalid returns an error of kind [KindInvalid].
func Invalid(format string, args ...any) error { return newError(KindInvalid, format, args) }

// Rejected returns an error of kind [KindRejected].
func Rejected(format string, args ...any) error { return newError(KindRejected, format, args) }

// NotFound returns an error of kind [KindNotFound].
func NotFound(format string, args ...any) error { return newError(KindNotFound, format, args) }

// Unavailable returns an error of kind [KindUnavailable].
func Unavailable(format string, args ...any) error { return newError(KindUnavailable, format, args) }

func newError(kind Kind, format string, args []any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf returns the kind of the first [Error] in err's chain, or [KindInternal].
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

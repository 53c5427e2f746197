package http

import (
	"unicode/utf8"

	"nactor/naming"
)

// Limits bound what one client can make the server hold. A zero field takes the default.
type Limits struct {
	Header          int // bytes of request line and headers; 16 KiB
	Body            int // bytes; 1 MiB
	Connections     int // 20,000
	ConnectionsByIP int // 5,000
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Header:          or(l.Header, 16<<10),
		Body:            or(l.Body, 1<<20),
		Connections:     or(l.Connections, 20_000),
		ConnectionsByIP: or(l.ConnectionsByIP, 5_000),
	}
}

// Bounds of parameters that package naming has none for. Those of keys, addresses,
// weights and metadata are its own.
const (
	maxName     = 1024     // bytes of any name, and of any list or pattern of names
	maxBeat     = 64 << 10 // bytes of a beat's JSON: metadata at its limit, escaped
	maxPageSize = 1000
	maxEcho     = 128 // bytes of a bad value that an error repeats
)

// checkText refuses what is not text: every parameter is shown to others one day, as JSON.
func checkText(param string, b []byte) error {
	if !utf8.Valid(b) {
		return naming.Invalid("parameter %s is not valid UTF-8", param)
	}
	return nil
}

// checkName refuses what cannot be a name.
func checkName(param string, b []byte) error {
	if len(b) > maxName {
		return naming.Invalid("parameter %s is longer than %d bytes", param, maxName)
	}
	ascii := true
	for _, c := range b {
		if c < 0x20 || c == 0x7f {
			return naming.Invalid("parameter %s has control characters", param)
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return nil
	}
	return checkText(param, b)
}

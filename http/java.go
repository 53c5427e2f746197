package http

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"nactor/naming"
)

// Numbers and booleans as Java reads them, with its messages.

// parseInt is Integer.parseInt.
func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, numberFormat(s)
	}
	return int(n), nil
}

// parseDouble is Double.parseDouble. Hexadecimal and underscores are Go's and not Java's
// without their exponent; nobody sends them, so they are refused.
func parseDouble(s string) (float64, error) {
	switch s {
	case "NaN", "+NaN", "-NaN":
		return math.NaN(), nil
	case "Infinity", "+Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	if s == "" {
		return 0, naming.Invalid("empty String")
	}
	digits := s
	if n := len(s); n > 1 && strings.IndexByte("dDfF", s[n-1]) >= 0 {
		digits = s[:n-1]
	}
	if digits == "" || strings.Trim(digits, "0123456789.eE+-") != "" {
		return 0, numberFormat(s)
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil && !math.IsInf(f, 0) { // out of range is infinite, as in Java
		return 0, numberFormat(s)
	}
	return f, nil
}

func numberFormat(s string) error {
	return naming.Invalid(`For input string: "%s"`, echo([]byte(s)))
}

// echo returns a bad value as an error repeats it: short and printable.
func echo(b []byte) string { return printable(cut(string(b))) }

// parseLoose is Nacos's BooleanUtils.toBoolean.
func parseLoose(b []byte) bool {
	switch len(b) {
	case 1:
		return b[0]|0x20 == 'y' || b[0]|0x20 == 't'
	case 2, 3, 4:
		return bytes.EqualFold(b, []byte("on")) || bytes.EqualFold(b, []byte("yes")) || bytes.EqualFold(b, []byte("true"))
	}
	return false
}

// parseStrict is Boolean.parseBoolean.
func parseStrict(b []byte) bool { return bytes.EqualFold(b, []byte("true")) }

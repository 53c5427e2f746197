package http

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"nactor/naming"
)

// request is one request with Nacos's rules for its parameters: they come from the query
// or a form body, the query wins, values are trimmed, blank means absent.
type request struct {
	*fasthttp.RequestCtx
	s *Server
}

// raw returns a parameter as it came, and whether it is there.
func (r *request) raw(name string) (string, bool, error) {
	b := r.QueryArgs().Peek(name)
	if b == nil && !r.IsGet() {
		b = r.PostArgs().Peek(name)
	}
	if b == nil {
		return "", false, nil
	}
	if !utf8.Valid(b) {
		return "", false, naming.Invalid("parameter %s is not valid UTF-8", name)
	}
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return "", false, naming.Invalid("parameter %s holds control characters", name)
		}
	}
	return string(b), true, nil
}

// required returns a parameter that must be there (WebUtils.required).
func (r *request) required(name string) (string, error) {
	v, ok, err := r.raw(name)
	if err == nil && (!ok || v == "") {
		err = naming.Invalid("Param '%s' is required.", name)
	}
	return strings.TrimSpace(v), err
}

// spring returns a parameter that Spring requires; an empty one is fine for it.
func (r *request) spring(name, kind string) (string, error) {
	v, ok, err := r.raw(name)
	if err == nil && !ok {
		err = naming.Rejected("Required %s parameter '%s' is not present", kind, name)
	}
	return v, err
}

// optional returns a parameter or def when it is absent or blank (WebUtils.optional).
func (r *request) optional(name, def string) (string, error) {
	v, _, err := r.raw(name)
	if v = strings.TrimSpace(v); v == "" {
		v = def
	}
	return v, err
}

// integer parses as Java's Integer.parseInt.
func integer(v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, naming.Invalid("For input string: %q", v)
	}
	return int(n), nil
}

func (r *request) optionalInt(name string, def int) (int, error) {
	v, err := r.optional(name, "")
	if err != nil || v == "" {
		return def, err
	}
	return integer(v)
}

// loose is Nacos's BooleanUtils.toBoolean.
func loose(v string) bool {
	switch strings.ToLower(v) {
	case "y", "yes", "on", "true", "t":
		return true
	}
	return false
}

// strict is Java's Boolean.parseBoolean.
func strict(v string) bool { return strings.EqualFold(v, "true") }

// springBool converts as Spring does.
func springBool(v string, def bool) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "":
		return def, nil
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, naming.Rejected("Failed to convert value of type 'java.lang.String' to required type 'boolean'; nested exception is java.lang.IllegalArgumentException: Invalid boolean value [%s]", v)
}

func (r *request) springBool(name string, def bool) (bool, error) {
	v, _, err := r.raw(name)
	if err != nil {
		return false, err
	}
	return springBool(v, def)
}

package http

import (
	"bytes"
	"strings"

	"nactor/naming"
)

// Parameters come from the query and, unless the method is GET, from a form in the body; a
// name that is in both has the query's value. Which of Nacos's two ways of reading applies
// is up to each endpoint:
//
//   - required and optional are its own helpers: values are trimmed, blank is absent.
//   - the methods with spring in their name are Spring's parameters: as they came.

// raw returns a parameter as it came, nil if it is absent. Valid while the request is.
func (r *request) raw(param string) []byte {
	if b := r.QueryArgs().Peek(param); b != nil {
		return b
	}
	if r.form != nil {
		return r.form.Peek(param)
	}
	return nil
}

// fault notes the first thing wrong.
func (r *request) fault(err error) {
	if r.err == nil {
		r.err = err
	}
}

// required returns a parameter that must be there (WebUtils.required). It may still turn
// out blank.
func (r *request) required(param string) []byte {
	b := r.raw(param)
	if len(b) == 0 {
		r.fault(naming.Invalid("Param '%s' is required.", param))
	}
	return bytes.TrimSpace(b)
}

// optional returns a parameter, nil if it is absent or blank (WebUtils.optional).
func (r *request) optional(param string) []byte { return bytes.TrimSpace(r.raw(param)) }

// textOf returns an optional parameter of any text.
func (r *request) textOf(param string) string {
	b := r.optional(param)
	if err := checkText(param, b); err != nil {
		r.fault(err)
		return ""
	}
	return string(b)
}

// name returns an optional parameter that is a name.
func (r *request) name(param, def string) string {
	b := r.optional(param)
	if len(b) == 0 {
		return def
	}
	return r.own(param, b)
}

// requiredName returns a name that must be there and not blank.
func (r *request) requiredName(param string) string {
	b := r.required(param)
	if len(b) == 0 {
		r.fault(naming.Invalid("Param '%s' is required.", param))
		return ""
	}
	return r.own(param, b)
}

// own copies a name out of the request once it is known to be one.
func (r *request) own(param string, b []byte) string {
	if err := checkName(param, b); err != nil {
		r.fault(err)
		return ""
	}
	switch string(b) { // most are these
	case naming.DefaultNamespace:
		return naming.DefaultNamespace
	case naming.DefaultGroup:
		return naming.DefaultGroup
	case naming.DefaultCluster:
		return naming.DefaultCluster
	}
	return string(b)
}

// spring returns a parameter that Spring demands; an empty one will do for it.
func (r *request) spring(param string) string {
	b := r.raw(param)
	if b == nil {
		r.fault(naming.Rejected("Required String parameter '%s' is not present", param))
		return ""
	}
	if err := checkText(param, b); err != nil {
		r.fault(err)
		return ""
	}
	return string(b)
}

// springOr returns a parameter of Spring's, or def when it is absent or empty.
func (r *request) springOr(param, def string) string {
	b := r.raw(param)
	if len(b) == 0 {
		return def
	}
	if err := checkText(param, b); err != nil {
		r.fault(err)
		return ""
	}
	return string(b)
}

// springInt returns a number that Spring demands.
func (r *request) springInt(param string) int {
	b := r.raw(param)
	if len(b) == 0 {
		r.fault(naming.Rejected("Required int parameter '%s' is not present", param))
		return 0
	}
	n, err := parseInt(string(bytes.TrimSpace(b)))
	if err != nil {
		r.fault(naming.Rejected("Failed to convert value of type 'java.lang.String' to required type 'int'; nested exception is java.lang.NumberFormatException: %s;caused: %s", err, err))
	}
	return n
}

// springBool returns a boolean of Spring's, or def when it is absent or empty.
func (r *request) springBool(param string, def bool) bool {
	b := bytes.TrimSpace(r.raw(param))
	if len(b) == 0 {
		return def
	}
	switch strings.ToLower(cut(string(b))) {
	case "true", "on", "yes", "1":
		return true
	case "false", "off", "no", "0":
		return false
	}
	v := echo(b)
	r.fault(naming.Rejected("Failed to convert value of type 'java.lang.String' to required type 'boolean'; nested exception is java.lang.IllegalArgumentException: Invalid boolean value [%s];caused: Invalid boolean value [%s]", v, v))
	return false
}

// loose returns a boolean that yes, on and the like are true for; def if it is blank.
func (r *request) loose(param string, def bool) bool {
	b := r.optional(param)
	if len(b) == 0 {
		return def
	}
	return parseLoose(b)
}

// intOr returns a number, or def when it is blank.
func (r *request) intOr(param string, def int) int {
	b := r.optional(param)
	if len(b) == 0 {
		return def
	}
	n, err := parseInt(string(b))
	r.faultIf(err)
	return n
}

// requiredLenient returns a number that must be there; what is none counts as 0
// (NumberUtils.toInt).
func (r *request) requiredLenient(param string) int {
	n, _ := parseInt(string(r.required(param)))
	return n
}

// lenient returns a number, def when it is blank, 0 when it is none (NumberUtils.toInt).
func (r *request) lenient(param string, def int) int {
	b := r.optional(param)
	if len(b) == 0 {
		return def
	}
	n, _ := parseInt(string(b))
	return n
}

func (r *request) faultIf(err error) {
	if err != nil {
		r.fault(err)
	}
}

// page returns pageNo and pageSize within bounds.
func (r *request) page(no, size int) (int, int) {
	no, size = r.intOr("pageNo", no), r.intOr("pageSize", size)
	return max(no, 1), min(max(size, 0), maxPageSize)
}

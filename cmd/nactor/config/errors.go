package config

import (
	"fmt"
	"regexp"
)

// Error is a setting that cannot be used. Its message is for operators: it says which
// setting, what was found there, what is wrong with it and where it was written.
type Error struct {
	Key     string // property key or flag
	Value   string // as written, before ${…} was filled in
	Problem string // "is not a port number"
	Source  string // "conf/application.properties", "environment variable SERVER_PORT", "--set"
}

func (e *Error) Error() string {
	value := e.Value
	if secret.MatchString(e.Key) {
		value = "******"
	}
	text := fmt.Sprintf("%s: %q %s", e.Key, value, e.Problem)
	if e.Source != "" {
		text += " (" + e.Source + ")"
	}
	return text
}

// secret matches keys whose values are never printed.
var secret = regexp.MustCompile(`(?i)password|secret|token|credential|identity\.value|cluster\.key`)

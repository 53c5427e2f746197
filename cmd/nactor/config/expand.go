package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of ${…} expansion, so that a file which refers to itself in ever more ways
// ends in an error and not in an endless start.
const (
	maxExpandDepth = 16
	maxExpandSteps = 1000
	maxExpandBytes = 8 << 10
)

// expander fills in ${name} and ${name:default} as Spring does: a default may hold
// further references, and a name without value or default is an error.
type expander struct {
	lookup func(name string) (string, bool)
	steps  int
}

func (x *expander) expand(s string, path []string) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	if len(path) > maxExpandDepth {
		return "", errors.New("refers to other values more than 16 deep")
	}
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		out.WriteString(s[:i])
		end := closing(s[i+2:])
		if end < 0 {
			return "", errors.New("has a ${ without its }")
		}
		value, err := x.reference(s[i+2:i+2+end], path)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		if out.Len() > maxExpandBytes {
			return "", errors.New("grows beyond 8 KiB when its ${…} are filled in")
		}
		s = s[i+2+end+1:]
	}
}

// reference returns what ${ref} stands for.
func (x *expander) reference(ref string, path []string) (string, error) {
	if x.steps++; x.steps > maxExpandSteps {
		return "", errors.New("refers to more than 1000 other values")
	}
	name, def, hasDefault := strings.Cut(ref, ":")
	if slices.Contains(path, name) {
		return "", fmt.Errorf("refers to itself: %s", strings.Join(append(path[:len(path):len(path)], name), " → "))
	}
	below := append(path[:len(path):len(path)], name)
	if value, ok := x.lookup(name); ok {
		return x.expand(value, below)
	}
	if hasDefault {
		return x.expand(def, below)
	}
	return "", fmt.Errorf("refers to ${%s}, which is set neither as a property nor in the environment; ${%s:default} gives it a default", name, name)
}

// closing returns the index of the } that ends a reference, past nested ones, or −1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '}' && depth == 0:
			return i
		case s[i] == '}':
			depth--
		case strings.HasPrefix(s[i:], "${"):
			depth++
		}
	}
	return -1
}

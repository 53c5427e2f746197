package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// environment is the process's environment, as a source of properties.
type environment map[string]string

func newEnvironment(environ []string) environment {
	env := make(environment, len(environ))
	for _, e := range environ {
		// An empty variable counts as unset: scripts export names that they have no value for.
		if name, value, _ := strings.Cut(e, "="); name != "" && value != "" {
			env[name] = value
		}
	}
	return env
}

// lookup finds the variable that sets the property key, under any of its names.
func (env environment) lookup(key string) (value, name string, ok bool) {
	for _, name := range envNames(key) {
		if value, ok := env[name]; ok && !serviceLink(name, value) {
			return value, name, true
		}
	}
	return "", "", false
}

// envNames returns the variables that set a property, the strongest first: our prefix
// before plain, and in each the spellings that Spring's relaxed binding takes or took.
// For nacos.naming.expireInstance: NACOS_NAMING_EXPIRE_INSTANCE, NACOS_NAMING_EXPIREINSTANCE.
func envNames(key string) []string {
	words := envName(splitCamel(key))
	flat := envName(key)
	joined := envName(strings.ReplaceAll(key, "-", ""))
	var names []string
	if !strings.HasPrefix(key, "nactor.") {
		names = append(names, "NACTOR_"+words, "NACTOR_"+flat, "NACTOR_"+joined)
	}
	names = append(names, words, flat, joined, key)
	return names
}

func envName(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return unicode.ToUpper(r)
	}, key)
}

// splitCamel turns expireInstance into expire-Instance.
func splitCamel(key string) string {
	var b strings.Builder
	lower := false
	for _, r := range key {
		if lower && unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(r)
	}
	return b.String()
}

// serviceLink reports whether a variable is one that Kubernetes puts into every pod for
// a service of that name: a service called nactor-server would otherwise set the port.
func serviceLink(name, value string) bool {
	return strings.HasSuffix(name, "_PORT") && (strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://"))
}

// warnings names the variables that look like ours and set nothing.
func (env environment) warnings() []string {
	ours := map[string]bool{}
	for _, k := range keys {
		for _, name := range envNames(k.Name) {
			ours[name] = true
		}
	}
	var out []string
	for name, value := range env {
		switch {
		case serviceLink(name, value) && ours[name]:
			out = append(out, fmt.Sprintf("environment variable %s=%s looks like a Kubernetes service link and is ignored", name, value))
		case !strings.HasPrefix(name, "NACTOR_") || ours[name] || strings.Contains(value, "://"):
		case strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_PORT_"):
		default:
			out = append(out, fmt.Sprintf("environment variable %s sets no property that this version reads", name))
		}
	}
	slices.Sort(out)
	return out
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/magiconair/properties"
)

// Properties are the settings as written, in layers. Reading one finds the strongest
// layer that has it and fills in its ${…}.
type Properties struct {
	file     map[string]string
	fileName string // as errors name it
	env      environment
	set      map[string]string
}

const maxFileSize = 1 << 20

// readProperties reads a .properties file; one that is not there is empty.
func readProperties(path, name string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s is larger than 1 MiB: it is not a properties file of this server", name)
	}
	m, err := parseProperties(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// parseProperties reads Java's .properties format. References stay as they are.
func parseProperties(data []byte) (map[string]string, error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	// The library would keep the \r of a line that is continued on the next.
	p, err := loader.LoadBytes(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
	if err != nil {
		return nil, err
	}
	m := p.Map()
	for k, v := range m {
		m[k] = strings.TrimRight(v, " \t") // Java keeps it; nobody means it
	}
	return m, nil
}

// parseSet reads the arguments of --set.
func parseSet(args []string) (map[string]string, error) {
	m := make(map[string]string, len(args))
	var errs []error
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			errs = append(errs, &Error{Key: "--set", Value: arg, Problem: "is not of the form key=value"})
			continue
		}
		m[key] = strings.TrimSpace(value)
	}
	return m, errors.Join(errs...)
}

// Lookup returns the value of a property as written and where that was. A property that
// is set to nothing counts as not set; defaults are not looked at.
func (p *Properties) Lookup(key string) (value, source string, ok bool) {
	if v := p.set[key]; v != "" {
		return v, "--set", true
	}
	if v, name, ok := p.env.lookup(key); ok {
		return v, "environment variable " + name, true
	}
	if v := p.file[key]; v != "" {
		return v, p.fileName, true
	}
	return "", "", false
}

// get returns the property with its references filled in; ok is false when nobody set it
// or when it came out empty.
func (p *Properties) get(key string) (value string, problem func(text string) error, ok bool, err error) {
	raw, source, ok := p.Lookup(key)
	problem = func(text string) error {
		return &Error{Key: key, Value: raw, Problem: text, Source: source}
	}
	if !ok {
		return "", problem, false, nil
	}
	x := expander{lookup: p.resolve}
	value, err = x.expand(raw, []string{key})
	if err != nil {
		return "", problem, false, problem(err.Error())
	}
	value = strings.TrimSpace(value)
	return value, problem, value != "", nil
}

// resolve finds what a ${name} stands for: a property, a variable of exactly that name,
// or the default of a property that this version knows.
func (p *Properties) resolve(name string) (string, bool) {
	if v, _, ok := p.Lookup(name); ok {
		return v, true
	}
	if v, ok := p.env[name]; ok {
		return v, true
	}
	return "", false
}

// warnings names settings that were probably meant for this server and set nothing.
func (p *Properties) warnings() []string {
	var out []string
	for _, layer := range []struct {
		name   string
		values map[string]string
	}{{p.fileName, p.file}, {"--set", p.set}} {
		for key := range layer.values {
			if known(key) {
				continue
			}
			if meant := similar(key); meant != "" {
				out = append(out, fmt.Sprintf("%s: not a property of this server, did you mean %s? (%s)", key, meant, layer.name))
			} else if strings.HasPrefix(key, "nactor.") {
				out = append(out, fmt.Sprintf("%s: not a property of this version, ignored (%s)", key, layer.name))
			}
		}
	}
	slices.Sort(out)
	return append(out, p.env.warnings()...)
}

// similar returns the known key that differs from key only in case and punctuation.
func similar(key string) string {
	bare := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(s))
	}
	for _, k := range keys {
		if bare(k.Name) == bare(key) {
			return k.Name
		}
	}
	return ""
}

package naming

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The rulebook stands on the standard library alone: no framework, no store, no clock of
// its own. Tests, and what is only for tests, may use more.
func TestImports(t *testing.T) {
	// Time is told to this room, and nothing in it happens by itself.
	forbidden := map[string]string{
		"os": "I/O", "net": "I/O", "net/http": "I/O", "io": "I/O", "log": "I/O", "log/slog": "I/O", "math/rand": "chance", "math/rand/v2": "chance",
	}
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "namingtest"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			first, _, _ := strings.Cut(name, "/")
			switch {
			case name == "nactor/naming/namingtest":
				t.Errorf("%s imports %s, which is for tests", path, name)
			case name == "nactor/naming" || strings.HasPrefix(name, "nactor/naming/"):
			case first == "nactor" || strings.Contains(first, "."):
				t.Errorf("%s imports %s", path, name)
			case forbidden[name] != "":
				t.Errorf("%s imports %s: there is no %s here", path, name, forbidden[name])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
}

package apitest

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readRoutes returns what the server serves, "GET /v1/ns/service" each: the list that a test
// of package http keeps true.
func readRoutes(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../../../http/testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 {
			list = append(list, f[0]+" "+f[1])
		}
	}
	if len(list) == 0 {
		t.Fatal("there are no routes")
	}
	return list
}

// parameter is one of an endpoint, as docs/api/openapi.yaml describes it.
type parameter struct {
	Ref      string `yaml:"$ref"`
	Name     string
	Required bool
	Schema   struct{ Type any }
}

// operation is an endpoint, as docs/api/openapi.yaml describes it.
type operation struct {
	Tags       []string
	Parameters []parameter
}

// readOperations returns the description of each route, its references followed.
func readOperations(t *testing.T) map[string]operation {
	t.Helper()
	b, err := os.ReadFile("../../../docs/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths      map[string]map[string]operation
		Components struct{ Parameters map[string]parameter }
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			for i, p := range op.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					op.Parameters[i] = doc.Components.Parameters[name]
				}
				if op.Parameters[i].Name == "" {
					t.Fatalf("%s %s has a parameter without a name", method, path)
				}
			}
			out[strings.ToUpper(method)+" "+path] = op
		}
	}
	return out
}

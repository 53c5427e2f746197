package http

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
)

var update = flag.Bool("update", false, "write the stories in testdata anew; look at what changes")

// What one golden file may begin with.
var opsLayouts = map[string]dual.Layout{
	"v1, double write to v2": {Serves: dual.V1, DoubleWrite: true},
	"v2, double write to v1": {Serves: dual.V2, DoubleWrite: true},
	"v1":                     {Serves: dual.V1},
	"v2":                     {Serves: dual.V2},
}

var (
	refreshed = regexp.MustCompile(`"lastRefTime":\d+`)
	stamped   = regexp.MustCompile(`"timestamp":"[^"]*"`)
)

// Each file of testdata/upgrade_ops and testdata/others is a story: "@" is the layout of the services or the time
// that passes, ">" a request (an "&" at its beginning: the parameters are in the body), "<" and
// what follows the answer, "#" says where that is from.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s should be:\n%s", file, got)
			}
		})
	}
}

func tell(t *testing.T, story string) string {
	r := unserved(t)
	var out strings.Builder
	said := false
	for _, line := range strings.SplitAfter(story, "\n") {
		text := strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(text, " ")
		switch mark {
		case "@":
			said = false
			if d, err := time.ParseDuration(rest); err == nil {
				r.pass(d)
			} else if layout, ok := opsLayouts[rest]; ok {
				r.layout = layout
			} else {
				t.Fatalf("%q is neither a layout nor a time", rest)
			}
			out.WriteString(line)
		case ">":
			said = true
			method, target, _ := strings.Cut(rest, " ")
			path, query, _ := strings.Cut(target, "?")
			body := ""
			if p, ok := strings.CutPrefix(query, "&"); ok {
				body = p
			} else if query != "" {
				path += "?" + query
			}
			if !strings.HasPrefix(path, "/v1/") {
				path = "/v1/ns/upgrade/ops/" + path
			}
			a := r.send(method, path, body)
			body = refreshed.ReplaceAllString(a.body, `"lastRefTime":0`)
			body = stamped.ReplaceAllString(body, `"timestamp":""`)
			fmt.Fprintf(&out, "%s< %d %s\n%s\n", line, a.code, a.ct, body)
		case "#":
			said = false
			out.WriteString(line)
		default:
			if text == "" {
				said = false
			}
			if !said {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

// The node that has to be asked may be unreachable.
func TestUpgradeOpsUnavailable(t *testing.T) {
	r := start(t)
	r.layout = dual.Layout{Serves: dual.V2, DoubleWrite: true}
	r.send("POST", "/v1/ns/service", "serviceName=s")
	r.fail = naming.Unavailable("node b did not answer in time")
	for _, target := range []string{
		"GET service?serviceName=s", "GET service/list?pageNo=1&pageSize=1", "GET service/names", "GET instance?serviceName=s&ip=1.1.1.1&port=80",
		"GET instance/list?serviceName=s", "DELETE service?serviceName=s", "POST instance?serviceName=s&ip=1.1.1.1&port=80",
	} {
		method, path, _ := strings.Cut(target, " ")
		if a := r.send(method, "/v1/ns/upgrade/ops/"+path, ""); a.code != 503 || a.body != "node b did not answer in time" {
			t.Errorf("%s: %v", target, a)
		}
	}
}

// While a node starts it says what the upgrade waits for, and no more.
func TestUpgradeOpsAreGated(t *testing.T) {
	r := start(t)
	r.registry.status = Status{State: "STARTING"}
	if a := r.send("POST", "/v1/ns/upgrade/ops/service", "serviceName=s"); a.code != 503 {
		t.Error(a)
	}
}

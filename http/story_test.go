package http

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
)

var update = flag.Bool("update", false, "write the stories in testdata anew; look at what changes")

// What serves in a story.
var opsLayouts = map[string]dual.Layout{
	"v1, double write to v2": {Serves: dual.V1, DoubleWrite: true},
	"v2, double write to v1": {Serves: dual.V2, DoubleWrite: true},
	"v1":                     {Serves: dual.V1},
	"v2":                     {Serves: dual.V2},
}

// TestStories tells each file of testdata/*/ anew; testdata/README says how they are written. What is
// under /v1/ns/operator is told a second time under its other name, /v1/ns/ops.
func TestStories(t *testing.T) {
	const path, alias = "/v1/ns/operator/", "/v1/ns/ops/"
	for _, file := range stories(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := string(b)
			got := tell(t, want)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s should be:\n%s", file, got)
			}
			if strings.Contains(want, path) {
				want = strings.ReplaceAll(want, path, alias)
				if got := tell(t, want); got != want {
					t.Errorf("under %s %s should be:\n%s", alias, file, got)
				}
			}
		})
	}
}

func stories(t *testing.T) []string {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// teller tells one story.
type teller struct {
	*rig
	out     strings.Builder
	headers []string // of the next request
}

func tell(t *testing.T, story string) string {
	r := &teller{rig: unserved(t, func(c *Config) {
		c.OpenAPI, c.Loader = []byte("openapi: 3.1.0\nand so on\n"), newCrowd()
		if strings.Contains(story, "@ a node of 1.X\n") {
			c.Version = "1.4.2"
		}
	})}
	r.actors = []ActorDetail{
		{Actor{"public@@g@@s", "service", "10.0.0.1:8848", "pid1"}, "v2", naming.Revision{Activation: 3, Counter: 4}, 0, 2, 1, 5, 7, -1},
		{Actor{"public@@g@@t", "service", "10.0.0.2:8848", "pid2"}, "v2", naming.Revision{}, 0, 2, 1, 5, 7, 1500000},
	}
	said := false
	for _, line := range strings.SplitAfter(story, "\n") {
		text := strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(text, " ")
		switch mark {
		case "@":
			said = false
			r.turn(rest)
			r.out.WriteString(line)
		case "+":
			said = false
			r.headers = append(r.headers, rest)
			r.out.WriteString(line)
		case ">":
			said = true
			r.out.WriteString(line)
			r.ask(rest)
		case "#":
			said = false
			r.out.WriteString(line)
		default:
			if text == "" {
				said = false
			}
			if !said {
				r.out.WriteString(line)
			}
		}
	}
	return r.out.String()
}

// turn is what happens in a story without a request.
func (r *teller) turn(what string) {
	kind, rest, _ := strings.Cut(what, " ")
	if d, err := time.ParseDuration(what); err == nil {
		r.pass(d)
		return
	}
	layout, ok := opsLayouts[what]
	switch {
	case ok:
		r.layout = layout
	case what == "a node of 1.X":
		r.layout = dual.Layout{Serves: dual.V1}
	case kind == "status":
		r.registry.status.State, r.registry.status.Reason, _ = strings.Cut(rest, " ")
	case kind == "most":
		n, err := strconv.Atoi(rest)
		if err != nil {
			r.t.Fatal(err)
		}
		r.most = n
	case kind == "unavailable":
		if r.fail = nil; rest != "no more" {
			r.fail = naming.Unavailable("%s", rest)
		}
	default:
		r.t.Fatalf("%q is nothing that can happen", what)
	}
}

// ask sends a request and writes down the answer.
func (r *teller) ask(request string) {
	method, path, body := parseAsk(request)
	a := r.send(method, path, body, r.headers...)
	r.headers = nil
	if string(a.head.Peek("X-Content-Type-Options")) != "nosniff" || len(a.head.Peek("Server")) > 0 {
		r.t.Errorf("%s: headers %s", request, a.head)
	}
	fmt.Fprintf(&r.out, "< %d %s\n", a.code, a.ct)
	if allow := a.head.Peek("Allow"); len(allow) > 0 {
		fmt.Fprintf(&r.out, "Allow: %s\n", allow)
	}
	if a.code == 200 && strings.HasPrefix(path, "/actuator/") {
		for _, l := range strings.Split(a.body, "\n") { // the others are those of the process
			if strings.HasPrefix(l, "nacos_monitor") {
				r.out.WriteString(l + "\n")
			}
		}
		return
	}
	if body := strings.TrimSuffix(steady(a.body), "\n"); body != "" {
		r.out.WriteString(body + "\n")
	}
}

// What a story cannot know of an answer.
var changing = regexp.MustCompile(`"(lastRefTime|timestamp|cpu|load|mem)":("[^"]*"|[-\d.E]+)`)

// steady takes out of a body what differs from call to call.
func steady(body string) string {
	return changing.ReplaceAllStringFunc(body, func(s string) string {
		name, value, _ := strings.Cut(s, ":")
		if value[0] == '"' {
			return name + `:""`
		}
		return name + ":0"
	})
}

var repeated = regexp.MustCompile(`\{([^{}"]+)\*(\d+)\}`)

// parseAsk takes a line of a story apart.
func parseAsk(request string) (method, path, body string) {
	request = repeated.ReplaceAllStringFunc(request, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
	method, target, _ := strings.Cut(request, " ")
	path, query, _ := strings.Cut(target, "?")
	if p, ok := strings.CutPrefix(query, "&"); ok {
		body = p
	} else if query != "" {
		path += "?" + query
	}
	if !strings.HasPrefix(path, "/") {
		path = "/v1/ns/upgrade/ops/" + path
	}
	return method, path, body
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

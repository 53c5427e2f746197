package http

import (
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// golden is one request of a story, and its answer.
type golden struct {
	at           string // file and line
	head, source string // what the first comment of the file and the one above say
	method, path string // without the context path, without a slash at the end
	params       url.Values
	code         int
	body         string // its first line
}

// fails reports whether the answer is an error; those of the core API come with status 200.
func (g *golden) fails() bool {
	return g.code >= 400 || strings.HasPrefix(g.body, `{"code":`) && !strings.HasPrefix(g.body, `{"code":200`)
}

// goldens returns what the stories hold.
func goldens(t *testing.T) []*golden {
	var list []*golden
	for _, file := range stories(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var g *golden
		head, source, inSource := "", "", false
		for i, line := range strings.Split(string(b), "\n") {
			mark, rest, _ := strings.Cut(line, " ")
			if inSource && mark != "#" && head == "" {
				head = source
			}
			switch mark {
			case "#":
				if !inSource {
					source = ""
				}
				source += rest + " "
			case ">":
				method, target, form := parseAsk(rest)
				path, query, _ := strings.Cut(target, "?")
				g = &golden{at: file + ":" + strconv.Itoa(i+1), head: head, source: source, method: method, path: trimSlash(path)}
				list = append(list, g)
				if form != "" {
					query = form
				}
				var err error
				if g.params, err = url.ParseQuery(strings.ReplaceAll(query, ";", "%3B")); err != nil {
					t.Errorf("%s: %v", g.at, err)
				}
			case "<":
				code, _, _ := strings.Cut(rest, " ")
				g.code, _ = strconv.Atoi(code)
			default:
				if g != nil && g.body == "" {
					g.body = line
				}
			}
			inSource = mark == "#"
		}
	}
	return list
}

// Every route has a golden success and a golden error, and so has every parameter that it
// demands: an error without it. A number of the document is seen not being one.
func TestGoldensOfEveryRoute(t *testing.T) {
	d := readDocument(t)
	all := goldens(t)
	refused := map[string]bool{} // never a success
	for _, rt := range foreign() {
		refused[rt.method+" "+rt.path] = rt.path != "/v1/core/cluster/report"
	}
	for _, rt := range routes() {
		path := strings.Replace(rt.path, "/v1/ns/ops/", "/v1/ns/operator/", 1) // told for both
		name := rt.method + " " + path
		params := d.paths[rt.path][rt.method].params
		var succeeds, fails bool
		for _, g := range all {
			if g.path != path {
				continue
			}
			// What takes nothing can only be asked in a wrong way.
			if g.method == rt.method || len(params) == 0 {
				fails = fails || g.fails()
			}
			succeeds = succeeds || g.method == rt.method && !g.fails()
		}
		if !succeeds && !refused[name] {
			t.Errorf("%s has no golden success", name)
		}
		if succeeds && refused[name] {
			t.Errorf("%s is not refused", name)
		}
		if !fails {
			t.Errorf("%s has no golden error", name)
		}
		if refused[name] {
			continue
		}
		for _, p := range params {
			missing, noNumber := !p.required, p.schema["type"] != "integer" && p.schema["type"] != "number"
			for _, g := range all {
				if g.path != path || g.method != rt.method {
					continue
				}
				value := g.params.Get(p.name)
				missing = missing || value == "" && g.fails()
				if _, err := strconv.ParseFloat(value, 64); value != "" && err != nil {
					noNumber = true
				}
			}
			if !missing {
				t.Errorf("%s has no golden error without %s", name, p.name)
			}
			if !noNumber {
				t.Errorf("%s has no golden answer to a %s that is no number", name, p.name)
			}
		}
	}
}

// sourced is how a golden value tells where it is from; see testdata/README.
var sourced = regexp.MustCompile(`§\d|\b[Oo]urs\b|\bNacos 2\.0\.3\b|\b2\.0\.3 [A-Z]|\b1\.4\.2 [A-Z]|description`)

func TestGoldensNameTheirSource(t *testing.T) {
	for _, g := range goldens(t) {
		// The older stories name it at the beginning, for all of it.
		if !sourced.MatchString(g.source) && (strings.HasPrefix(g.at, "testdata/v1") || !sourced.MatchString(g.head)) {
			t.Errorf("%s: neither %q nor %q names a source", g.at, g.source, g.head)
		}
	}
}

// Whatever is asked of the naming API, and however: a server that is down does not answer, and
// nobody answers a thousand parameters.
func TestEveryRouteIsBounded(t *testing.T) {
	r := unserved(t)
	for _, rt := range routes() {
		a := r.send(rt.method, rt.path+"?"+strings.Repeat("a&", maxParams), "")
		if a.code != 400 || a.body != "caused: more than 1000 parameters;" {
			t.Errorf("%s %s: %v", rt.method, rt.path, a)
		}
	}
	r.registry.status = Status{State: "DOWN"}
	for _, rt := range routes() {
		a := r.send(rt.method, rt.path, "")
		told := rt.access == public && strings.HasPrefix(rt.path, "/v1/ns/upgrade/") // why it is down
		if gated := strings.HasPrefix(rt.path, "/v1/ns/") && !told; gated != (a.body == "server is DOWNnow, please try again later!") {
			t.Errorf("%s %s: %v", rt.method, rt.path, a)
		}
	}
}

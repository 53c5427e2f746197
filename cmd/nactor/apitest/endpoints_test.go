package apitest

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

var update = flag.Bool("update", false, "write the answers of testdata/endpoints anew; look at what changes")

// cases are what the table has of each endpoint.
var cases = []string{"ok", "missing", "bad", "absent"}

// edition is a kind of server that the table is about.
type edition struct {
	name, mode string
	args       []string
}

// editions: a server of 2.X on its own, and a cluster of one node of 1.X.
var editions = []edition{
	{"2.X", "standalone", nil},
	{"1.X", "cluster", []string{"--as-version", "1.4.2"}},
}

// start starts a server, which says itself to be where it is asked.
func (e edition) start(t *testing.T) *proctest.Server {
	t.Helper()
	spec := proctest.Cluster(t, 1)[0]
	spec.Mode, spec.Args = e.mode, append(spec.Args, e.args...)
	s := spec.Launch(t)
	if err := s.Ready(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	return s
}

// owed marks, after the name of an edition, an answer that is to be and is not yet.
const owed = "!"

// row is a line of the table: a request of an endpoint, and the answer of each edition.
type row struct {
	route   string // "GET /v1/ns/service"
	kind    string // one of cases, or "given": that the rows below need
	request string // from the query on; "&…" is a form, "{…}" a body of JSON
	without string // why there is no such case
	want    map[string]string
}

// table is a file of testdata/endpoints. A line at the left margin is an endpoint; below it
// are its cases, each with the answer that follows: one for all editions, or "2.X …" and
// "1.X …". "given METHOD /path…" prepares. "case - reason" says why there is no such case.
// "#" begins a comment. ADDR, HOST and PORT are the server's.
//
// The answers are those of Nacos 2.0.3 and 1.4.2, and what docs/compatibility.md has of ours.
// "1.X! …" is an answer of 1.4.2 that is still another here; the difference is told in the
// log.
type table struct {
	file  string
	lines []string
	rows  []*row
	at    map[*row]int // index of the line of its request
}

func readTable(t *testing.T, file string) *table {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tb := &table{file: file, lines: strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), at: map[*row]int{}}
	route := ""
	var last *row
	for i, line := range tb.lines {
		text := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		word, rest, _ := strings.Cut(text, " ")
		switch {
		case text == "" || text[0] == '#':
		case indent == 0:
			route, last = text, nil
		case indent == 2:
			last = &row{route: route, kind: word, want: map[string]string{}}
			if why, ok := strings.CutPrefix(rest, "- "); ok {
				last.without = why
			} else {
				last.request = rest
			}
			tb.rows, tb.at[last] = append(tb.rows, last), i
		case last == nil:
			t.Fatalf("%s:%d: an answer to nothing", file, i+1)
		default:
			who, body := "", text
			if slices.ContainsFunc(editions, func(e edition) bool { return word == e.name || word == e.name+owed }) {
				who, body = word, rest
			}
			last.want[who] = body
		}
	}
	return tb
}

// write writes the file with the answers of each row.
func (tb *table) write(t *testing.T) {
	t.Helper()
	at := map[int]*row{}
	for r, i := range tb.at {
		at[i] = r
	}
	var out strings.Builder
	for i, line := range tb.lines {
		if strings.HasPrefix(line, "    ") {
			continue
		}
		out.WriteString(line + "\n")
		r := at[i]
		if r == nil {
			continue
		}
		if first := r.want[editions[0].name]; first != "" && first == r.want[editions[1].name] {
			out.WriteString("    " + first + "\n")
			continue
		}
		for _, e := range editions {
			for _, name := range []string{e.name, e.name + owed} {
				if w := r.want[name]; w != "" {
					fmt.Fprintf(&out, "    %s %s\n", name, w)
				}
			}
		}
	}
	if err := os.WriteFile(tb.file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run sends the requests of the table to a server of an edition.
func (tb *table) run(t *testing.T, edition, addr string) {
	host, port, _ := net.SplitHostPort(addr)
	names := strings.NewReplacer("ADDR", addr, "HOST", host, "PORT", port)
	for _, r := range tb.rows {
		if r.without != "" {
			continue
		}
		method, target, _ := strings.Cut(r.route, " ")
		request := names.Replace(r.request)
		if r.kind == "given" {
			method, target, _ = strings.Cut(request, " ")
			request = ""
		}
		body := ""
		if rest, ok := strings.CutPrefix(request, "&"); ok {
			body = rest
		} else if strings.HasPrefix(request, "{") || strings.HasPrefix(request, "[") {
			body = request
		} else {
			target += request
		}
		a := send(t, addr, method, "/nacos"+target, body)
		if r.kind == "given" {
			if a.code != 200 {
				t.Errorf("%s: given %s: %v", tb.file, r.request, a)
			}
			continue
		}
		if path, query, ok := strings.Cut(target, "?"); ok && method != "GET" && query != "" && a.code >= 400 && a.code != 501 {
			if b := send(t, addr, method, "/nacos"+path, query); b != a { // nothing was done: it can be said again
				t.Errorf("%s, %s: %s %s:\nas a form %v\nas a query %v", tb.file, r.route, r.kind, r.request, b, a)
			}
		}
		want, ok := r.want[edition]
		if !ok {
			want = r.want[""]
		}
		bad := differs(names.Replace(want), a)
		if later, ok := r.want[edition+owed]; ok {
			switch other := differs(names.Replace(later), a); {
			case other != "":
				t.Logf("%s, %s: %s %s:\n%s\ngot  %v\nowed %s", tb.file, r.route, r.kind, r.request, other, a, later)
				continue
			case *update:
				delete(r.want, edition+owed)
				r.want[edition] = later
				continue
			}
			bad = ""
		}
		if *update {
			if bad != "" {
				want = fmt.Sprintf("%d %s", a.code, pattern(a, strings.NewReplacer(addr, "ADDR", host, "HOST", port, "PORT")))
			}
			r.want[edition] = want
		} else if bad != "" {
			t.Errorf("%s, %s: %s %s:\n%s\ngot  %v\nwant %s", tb.file, r.route, r.kind, r.request, bad, a, want)
		}
	}
}

// Every endpoint answers as it should what is right, what lacks a parameter, what has a bad
// one, and what is about something that is not there: as 2.X, and as 1.X. What is refused is
// refused as a form in the same way.
func TestEndpoints(t *testing.T) {
	files, err := filepath.Glob("testdata/endpoints/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var tables []*table
	for _, file := range files {
		tables = append(tables, readTable(t, file))
	}
	for _, e := range editions {
		t.Run(e.name, func(t *testing.T) {
			s := e.start(t)
			for _, tb := range tables {
				tb.run(t, e.name, s.Addr)
			}
		})
	}
	if *update {
		for _, tb := range tables {
			tb.write(t)
		}
	}
}

// The table has all cases of every route that the server has, and says why where it has not.
func TestEndpointsAreAll(t *testing.T) {
	files, err := filepath.Glob("testdata/endpoints/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]map[string][]*row{}
	for _, file := range files {
		for _, r := range readTable(t, file).rows {
			if have[r.route] == nil {
				have[r.route] = map[string][]*row{}
			}
			have[r.route][r.kind] = append(have[r.route][r.kind], r)
		}
	}
	routes, operations := readRoutes(t), readOperations(t)
	for _, route := range routes {
		for _, kind := range cases {
			rows := have[route][kind]
			if len(rows) == 0 {
				t.Errorf("%s: no row %q", route, kind)
			}
			for _, r := range rows {
				if r.without == "" {
					continue
				}
				for _, p := range operations[route].Parameters {
					if kind == "missing" && p.Required || kind == "bad" && p.Schema.Type != "string" {
						t.Errorf("%s: there has to be a row %q, since it has the parameter %s", route, kind, p.Name)
					}
				}
			}
		}
	}
	for route, rows := range have {
		if !slices.Contains(routes, route) && route != "" {
			t.Errorf("%s is no route", route)
		}
		for kind := range rows {
			if kind != "given" && !slices.Contains(cases, kind) {
				t.Errorf("%s: there is no case %q", route, kind)
			}
		}
	}
}

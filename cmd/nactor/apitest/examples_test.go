package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"nactor/cmd/nactor/proctest"
)

// example is one of testdata/examples.txt.
type example struct {
	title        string
	method, path string
	curl         call   // as it is written; zero: there is none
	answer       string // "ok", or JSON whose names need no quotes, or lines of text
}

// call is a request.
type call struct{ method, target string }

// query returns what follows the path, from the "?" on.
func (c call) query() string { return c.target[strings.Index(c.target, "?"):] }

var curl = regexp.MustCompile(`^curl -X ([A-Z]+) '(?:http://)?[^/]*(/[^']*)'$`)

func readExamples(t *testing.T) map[string]example {
	t.Helper()
	b, err := os.ReadFile("testdata/examples.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]example{}
	for _, section := range strings.Split(string(b), "\n## ")[1:] {
		lines := strings.SplitN(section, "\n", 4)
		e := example{title: lines[0], answer: strings.TrimSpace(lines[3])}
		e.method, e.path, _ = strings.Cut(lines[1], " ")
		if m := curl.FindStringSubmatch(lines[2]); m != nil {
			e.curl = call{m[1], m[2]}
		} else if lines[2] != "" {
			t.Fatalf("%s: %q is no request", e.title, lines[2])
		}
		all[e.title] = e
	}
	return all
}

// free are members whose value is not that of the example, which is older than Nacos 2.0.3:
// 2.0.3 joins ids with "#", names services with their group, and caches for longer.
var free = []string{"instanceId", "service", "checksum", "lastRefTime", "cacheMillis"}

// shows tells what of an example an answer does not show: a member, its type, or its value;
// "" when it is all there.
func shows(sample, got any) string {
	switch s := sample.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is no object", got)
		}
		for _, name := range slices.Sorted(maps.Keys(s)) {
			v, ok := g[name]
			if !ok {
				return "lacks " + name
			}
			if slices.Contains(free, name) {
				if fmt.Sprintf("%T", number(s[name])) != fmt.Sprintf("%T", v) {
					return fmt.Sprintf("%s is %v, of another type", name, v)
				}
			} else if bad := shows(s[name], v); bad != "" {
				return name + ": " + bad
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(s) {
			return fmt.Sprintf("%v, want %v", got, s)
		}
		for i := range s {
			if bad := shows(s[i], g[i]); bad != "" {
				return fmt.Sprintf("[%d]: %s", i, bad)
			}
		}
		return ""
	}
	if number(sample) != got {
		return fmt.Sprintf("%v, want %v", got, sample)
	}
	return ""
}

// number makes of a number what JSON makes of it.
func number(v any) any {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v
}

// shownBy is [shows] of what the example shows.
func (e example) shownBy(a answer) string {
	if a.code != 200 {
		return a.String()
	}
	if e.answer == "ok" {
		if a.body != "ok" {
			return a.String()
		}
		return ""
	}
	var sample, got any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(e.answer, "\t", " ")), &sample); err != nil {
		return fmt.Sprintf("the example: %v", err)
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		return fmt.Sprintf("%v: %s", err, a.body)
	}
	if bad := shows(sample, got); bad != "" {
		return bad + " in " + a.body
	}
	return ""
}

// spec is a run of the examples against a cluster.
type spec struct {
	*testing.T
	nodes    []*proctest.Server
	examples map[string]example
	turn     int
}

// next returns the address of the node whose turn it is.
func (s *spec) next() string {
	s.turn++
	return s.nodes[s.turn%len(s.nodes)].Addr
}

// example returns one by its title.
func (s *spec) example(title string) example {
	s.Helper()
	e, ok := s.examples[title]
	if !ok {
		s.Fatalf("there is no example %s", title)
	}
	return e
}

// does sends requests, each to another node; all are answered "ok".
func (s *spec) does(calls ...call) {
	s.Helper()
	for _, c := range calls {
		if a := send(s, s.next(), c.method, c.target, ""); a.code != 200 || a.body != "ok" {
			s.Fatalf("%s %s: %v", c.method, c.target, a)
		}
	}
}

// reads sends the example of a read as it is written, and for each of the structures, to all
// nodes: they answer as it shows.
func (s *spec) reads(title string) {
	s.Helper()
	e := s.example(title)
	if e.curl.method != e.method || !strings.HasPrefix(e.curl.target, e.path+"?") {
		s.Errorf("%s: %+v is not of %s %s", title, e.curl, e.method, e.path)
	}
	for _, ver := range []string{"", "&ver=v1", "&ver=v2"} {
		for _, n := range s.nodes {
			eventually(s, within, title+ver, func() string { return e.shownBy(send(s, n.Addr, e.method, e.curl.target+ver, "")) })
		}
	}
}

// in waits until all nodes show something in the structures, "v1", "v2" or both, and nowhere
// else.
func (s *spec) in(target, text string, structures ...string) {
	s.Helper()
	for _, n := range s.nodes {
		for _, ver := range []string{"v1", "v2"} {
			want := slices.Contains(structures, ver)
			eventually(s, within, fmt.Sprintf("%s in %s: %v", text, ver, want), func() string {
				a := send(s, n.Addr, "GET", target+"&ver="+ver, "")
				if strings.Contains(a.body, text) != want {
					return a.String()
				}
				return ""
			})
		}
	}
}

// writes sends the example of a write as it is written, and to the path of its section for
// each of the structures. It adds a thing or removes it, opposite does the other; shown is
// where text is to be seen while the thing is there.
func (s *spec) writes(title string, adds bool, opposite call, shown, text string) {
	s.Helper()
	e := s.example(title)
	if e.curl.method != e.method {
		s.Errorf("%s: %+v is no %s", title, e.curl, e.method)
	}
	one := func(write, opposite call, structures ...string) {
		s.Helper()
		add, remove := write, opposite
		if !adds {
			add, remove = opposite, write
		}
		s.does(add)
		s.in(shown, text, structures...)
		s.does(remove)
		s.in(shown, text)
	}
	one(e.curl, opposite, "v1", "v2")
	of := func(c call, ver string) call { return call{c.method, e.path + c.query() + "&ver=" + ver} }
	one(of(e.curl, "v2"), of(opposite, "v2"), "v1", "v2") // the structure that serves: the other follows
	one(of(e.curl, "v1"), of(opposite, "v1"), "v1")       // a repair of the other
}

// tryExamples sends all examples of the description, as they are written but for the host:
// they are answered as it shows, from both structures. Double write is open, and there are
// no services.
func tryExamples(t *testing.T, nodes []*proctest.Server) {
	s := &spec{T: t, nodes: nodes, examples: readExamples(t)}
	const ops = "/nacos/v1/ns/upgrade/ops"

	metrics := s.example("查看统计")
	for _, n := range nodes {
		if bad := sameKeys(metrics.answer, send(t, n.Addr, metrics.method, metrics.path, "").body); bad != "" {
			t.Error(bad)
		}
	}

	s.does(call{"POST", "/nacos/v1/ns/service?serviceName=nacos.test.2"}, call{"POST", "/nacos/v1/ns/instance?serviceName=nacos.test.2&ip=10.10.10.10&port=8888&clusterName=c1"})
	s.reads("查询服务")
	s.does(call{"DELETE", "/nacos/v1/ns/instance?serviceName=nacos.test.2&ip=10.10.10.10&port=8888&clusterName=c1"},
		call{"POST", "/nacos/v1/ns/instance?serviceName=nacos.test.2&ip=10.10.10.10&port=8888&healthy=false"},
		call{"POST", "/nacos/v1/ns/instance?serviceName=nacos.test.1&ip=10.10.10.10&port=8888"})
	s.reads("查询实例列表")
	s.reads("查询实例详情")
	for i := range 146 {
		s.does(call{"POST", fmt.Sprintf("/nacos/v1/ns/service?serviceName=nacos.test.one-of-148.%d", i)})
	}
	s.reads("查询服务列表")

	// The examples of writes name the endpoints of clients; those of their section do the same.
	s.does(call{"DELETE", "/nacos/v1/ns/instance?serviceName=nacos.test.2&ip=10.10.10.10&port=8888"}, call{"DELETE", "/nacos/v1/ns/service?serviceName=nacos.test.2"})
	for name, run := range map[string]func(*spec){
		"services": func(s *spec) {
			services := ops + "/service/list?pageNo=1&pageSize=1000"
			s.writes("添加服务", true, call{"DELETE", "/nacos/v1/ns/service?serviceName=nacos.test.2"}, services, `"nacos.test.2"`)
			s.writes("删除服务", false, call{"POST", "/nacos/v1/ns/service?serviceName=nacos.test.2"}, services, `"nacos.test.2"`)
		},
		"registration": func(s *spec) {
			s.writes("注册实例", true, call{"DELETE", "/nacos/v1/ns/instance?serviceName=nacos.test.3&ip=11.11.11.11&port=8848&namespaceId=n1"},
				ops+"/instance/list?serviceName=nacos.test.3&namespaceId=n1", `"ip":"11.11.11.11","port":8848`)
		},
		"deregistration": func(s *spec) {
			s.writes("注销实例", false, call{"POST", "/nacos/v1/ns/instance?serviceName=nacos.test.1&ip=1.1.1.1&port=8888&clusterName=TEST1"},
				ops+"/instance/list?serviceName=nacos.test.1", `"ip":"1.1.1.1","port":8888`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(&spec{T: t, nodes: nodes, examples: s.examples})
		})
	}
	tried := []string{"查看统计", "查询服务", "查询服务列表", "查询实例列表", "查询实例详情", "添加服务", "删除服务", "注册实例", "注销实例"}
	for title := range s.examples {
		if !slices.Contains(tried, title) {
			t.Errorf("the example %s is not tried", title)
		}
	}
}

// closeDoubleWrite sends what the description says of "关闭双写".
func closeDoubleWrite(t *testing.T, nodes []*proctest.Server) {
	// What is mistyped is no decision, and this one cannot be taken back.
	for _, bad := range []string{"value=ture", "value=", "value=0"} {
		if a := send(t, nodes[1].Addr, "PUT", "/nacos/v1/ns/operator/switches?entry=doubleWriteEnabled&"+bad, ""); a.code != 400 {
			t.Errorf("%s: %+v", bad, a)
		}
	}
	for _, bad := range []string{`{"doubleWriteEnabled":"fasle"}`, `{"doubleWriteEnabled":null}`, `{"doubleWriteEnabled":0}`} {
		a := send(t, nodes[1].Addr, "PUT", "/nacos/v1/ns/operator/switches?entry=batch&value="+url.QueryEscape(bad), "")
		if m := send(t, nodes[1].Addr, "GET", "/nacos/v1/ns/upgrade/ops/metrics", ""); !strings.Contains(m.body, "isDoubleWriteEnabled           = true\n") {
			t.Fatalf("%s: %+v closed double write", bad, a)
		}
	}
	// curl -X PUT 'localhost:8848/nacos/v1/ns/operator/switches?entry=doubleWriteEnabled&value=false'
	if a := send(t, nodes[1].Addr, "PUT", "/nacos/v1/ns/operator/switches?entry=doubleWriteEnabled&value=false", ""); a.code != 200 || a.body != "ok" {
		t.Fatal(a)
	}
	for _, n := range nodes {
		eventually(t, 10*time.Second, "double write is closed", func() string {
			a := send(t, n.Addr, "GET", "/nacos/v1/ns/upgrade/ops/metrics", "")
			if !strings.Contains(a.body, "isDoubleWriteEnabled           = false\n") || !strings.Contains(a.body, "serviceCountV1                 =     0\n") {
				return a.body
			}
			if text := "Disable Double write, stop and clean v1.x cache and features"; !strings.Contains(n.Log("naming-server.log"), text) {
				return "the log does not say: " + text
			}
			return ""
		})
	}
}

// sameKeys tells how the lines "key = value" of an answer are not those of an example; its
// values have the types of the example.
func sameKeys(sample, got string) string {
	want, have := strings.Split(sample, "\n"), strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(want) != len(have) {
		return fmt.Sprintf("%d lines, want %d:\n%s", len(have), len(want), got)
	}
	kind := func(v string) string {
		switch v = strings.TrimSpace(v); {
		case v == "true", v == "false":
			return "boolean"
		case v != "" && strings.Trim(v, "0123456789") == "":
			return "number"
		}
		return "names"
	}
	for i, line := range want {
		key, value, _ := strings.Cut(line, " =")
		k, v, _ := strings.Cut(have[i], " =")
		if key != k || kind(value) != kind(v) {
			return fmt.Sprintf("line %q, want one like %q", have[i], line)
		}
	}
	return ""
}

// A server on its own that holds nothing shows the very figures of the description.
func TestExampleOfMetrics(t *testing.T) {
	t.Parallel()
	n := proctest.Start(t, t.TempDir())
	e := readExamples(t)["查看统计"]
	var lines []string
	for line := range strings.Lines(send(t, n.Addr, e.method, e.path, "").body) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if got := strings.Join(lines, "\n"); got != e.answer {
		t.Errorf("got\n%s\nwant\n%s", got, e.answer)
	}
}

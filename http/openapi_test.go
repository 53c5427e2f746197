package http

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"nactor/naming"
	"nactor/naming/dual"
)

// document is docs/api/openapi.yaml.
type document struct {
	t     *testing.T
	raw   []byte
	root  map[string]any
	paths map[string]map[string]operation
}

// operation is one method of a path, its references resolved.
type operation struct {
	id        string
	params    []parameter
	body      string                    // the example; "": none
	responses map[string]map[string]any // by status; content by media type
}

type parameter struct {
	name     string
	required bool
	schema   map[string]any
	example  any
}

func readDocument(t *testing.T) *document {
	t.Helper()
	raw, err := os.ReadFile("../docs/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := &document{t: t, raw: raw, paths: map[string]map[string]operation{}}
	if err := yaml.Unmarshal(raw, &d.root); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.object(d.root["paths"]) {
		d.paths[path] = map[string]operation{}
		for method, v := range d.object(item) {
			d.paths[path][strings.ToUpper(method)] = d.operation(path, d.object(v))
		}
	}
	return d
}

func (d *document) operation(path string, v map[string]any) operation {
	op := operation{id: v["operationId"].(string), responses: map[string]map[string]any{}}
	list, _ := v["parameters"].([]any)
	for _, p := range list {
		o := d.object(p)
		required, _ := o["required"].(bool)
		if o["in"] != "query" || required && o["example"] == nil {
			d.t.Errorf("%s: parameter %v is not in the query, or is required and has no example", path, o["name"])
		}
		op.params = append(op.params, parameter{o["name"].(string), required, d.object(o["schema"]), o["example"]})
	}
	if example := d.object(d.object(d.object(v["requestBody"])["content"])["application/json"])["example"]; example != nil {
		body, err := json.Marshal(example)
		if err != nil {
			d.t.Fatal(err)
		}
		op.body = string(body)
	}
	for status, r := range d.object(v["responses"]) {
		op.responses[status] = d.object(d.object(r)["content"])
	}
	return op
}

// object returns a mapping; a reference is followed.
func (d *document) object(v any) map[string]any {
	o, _ := v.(map[string]any)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	at := d.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := at[name].(map[string]any)
		if !ok {
			d.t.Fatalf("%s leads nowhere", ref)
		}
		at = next
	}
	return d.object(at)
}

// mismatch tells how v is not what a schema says; "" when it is. It knows what the document
// uses of JSON Schema.
func (d *document) mismatch(schema any, v any) string {
	s := d.object(schema)
	if choices, ok := s["oneOf"].([]any); ok {
		var all []string
		for _, c := range choices {
			m := d.mismatch(c, v)
			if m == "" {
				return ""
			}
			all = append(all, m)
		}
		return strings.Join(all, "; ")
	}
	if !ofType(s["type"], v) {
		return fmt.Sprintf("%v is no %v", v, s["type"])
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%v is none of %v", v, enum)
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if m := d.mismatch(s["items"], x); s["items"] != nil && m != "" {
				return fmt.Sprintf("[%d]: %s", i, m)
			}
		}
	case map[string]any:
		return d.members(s, v)
	}
	return ""
}

func (d *document) members(s, v map[string]any) string {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Sprintf("%v is missing", name)
		}
	}
	props := d.object(s["properties"])
	for _, name := range slices.Sorted(maps.Keys(v)) {
		schema, known := props[name]
		if !known {
			if schema = s["additionalProperties"]; schema == false {
				return name + " is not in the document"
			}
			if schema == nil {
				continue
			}
		}
		if m := d.mismatch(schema, v[name]); m != "" {
			return name + ": " + m
		}
	}
	return ""
}

// ofType reports whether a JSON value is of a type, or one of several.
func ofType(types, v any) bool {
	if list, ok := types.([]any); ok {
		return slices.ContainsFunc(list, func(t any) bool { return ofType(t, v) })
	}
	switch v := v.(type) {
	case nil:
		return types == "null"
	case bool:
		return types == "boolean"
	case string:
		return types == "string"
	case json.Number:
		_, err := v.Int64()
		return types == "number" || types == "integer" && err == nil
	case []any:
		return types == "array"
	case map[string]any:
		return types == "object"
	}
	return false
}

// Every route is in the document, and every operation of the document is a route.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	d := readDocument(t)
	ids := map[string]bool{}
	served := map[string]bool{}
	for _, rt := range routes() {
		served[rt.method+" "+rt.path] = true
		if _, ok := d.paths[rt.path][rt.method]; !ok {
			t.Errorf("docs/api/openapi.yaml lacks %s %s", rt.method, rt.path)
		}
	}
	for path, methods := range d.paths {
		for method, op := range methods {
			if !served[method+" "+path] {
				t.Errorf("docs/api/openapi.yaml has %s %s, which is not served", method, path)
			}
			if ids[op.id] {
				t.Errorf("two operations are called %s", op.id)
			}
			ids[op.id] = true
		}
	}
}

// kinds are the nodes that answer in forms of their own.
var kinds = map[string]struct {
	version string
	layout  dual.Layout
}{
	"2.0":   {"2.0.3", dual.Layout{Serves: dual.V2, DoubleWrite: true}},
	"by1X":  {"2.0.3", dual.Layout{Serves: dual.V1, DoubleWrite: true}},
	"1.4.2": {"1.4.2", dual.Layout{Serves: dual.V1}},
}

// furnished is a server with what the examples of the document are about.
func furnished(t *testing.T, d *document, kind string) *rig {
	r := unserved(t, func(c *Config) { c.OpenAPI, c.Loader, c.Version = d.raw, newCrowd(), kinds[kind].version })
	r.layout = kinds[kind].layout
	r.actors = []ActorDetail{{Actor: Actor{Identity: "public@@DEFAULT_GROUP@@orders", Kind: "service", Node: "a", PID: "1"}, Mode: "v2", LastBeat: -1}}
	for _, target := range []string{
		"instance?serviceName=orders&ip=10.0.0.5&port=8080&metadata=zone=a", "service?serviceName=empty", "service?serviceName=unchecked",
	} {
		if a := r.send("POST", "/v1/ns/"+target, ""); a.code != 200 {
			t.Fatalf("%s: %v", target, a)
		}
	}
	a := r.send("PUT", "/v1/ns/cluster", "serviceName=unchecked&clusterName=DEFAULT&checkPort=80&useInstancePort4Check=true&healthChecker="+url.QueryEscape(`{"type":"NONE"}`))
	if a.code != 200 {
		t.Fatal(a)
	}
	r.Subscribe(naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "orders"}, naming.Subscriber{Agent: "Nacos-Go-Client:v1.1.6"})
	return r
}

// Each operation is called with the examples of its parameters, and without each that it
// demands; the answers are what the document says.
func TestOpenAPI(t *testing.T) {
	d := readDocument(t)
	for _, path := range slices.Sorted(maps.Keys(d.paths)) {
		for method, op := range d.paths[path] {
			for kind := range kinds {
				t.Run(op.id+" "+kind, func(t *testing.T) { d.drive(t, kind, method, path, op) })
			}
		}
	}
}

// drive calls one operation on a kind of node.
func (d *document) drive(t *testing.T, kind, method, path string, op operation) {
	r := furnished(t, d, kind)
	call := func(without string) answer {
		args := url.Values{}
		for _, p := range op.params {
			if p.example != nil && p.name != without {
				args.Set(p.name, fmt.Sprint(p.example))
			}
		}
		if kind != "2.0" && strings.Contains(path, "/upgrade/ops/") && args.Has("ver") {
			args.Set("ver", "v1") // a node of 1.X has no other
		}
		return r.send(method, path+"?"+args.Encode(), op.body, "User-Agent: Nacos-Java-Client:v1.4.2")
	}
	for _, p := range op.params {
		if !p.required {
			continue
		}
		a := call(p.name)
		d.answers(t, op, a)
		if a.code < 400 {
			t.Errorf("without %s: %v", p.name, a)
		}
	}
	a := call("")
	d.answers(t, op, a)
	_, works := op.responses["200"]
	if _, other := op.responses["501"]; works && a.code != 200 && !(other && a.code == 501) {
		t.Errorf("%v", a)
	}
}

// answers checks an answer against what the document says of the operation.
func (d *document) answers(t *testing.T, op operation, a answer) {
	t.Helper()
	content, ok := op.responses[strconv.Itoa(a.code)]
	if !ok {
		t.Errorf("%d is not in the document: %s", a.code, a.body)
		return
	}
	kind, _, _ := strings.Cut(a.ct, ";")
	media := d.object(content[kind])
	if media == nil {
		t.Errorf("%d of type %q is not in the document", a.code, kind)
		return
	}
	if kind != "application/json" {
		return
	}
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Errorf("%s: %v", a.body, err)
	} else if m := d.mismatch(media["schema"], v); m != "" {
		t.Errorf("%s\n%s", m, a.body)
	}
}

// The switches of the answer that differ with a parameter.
func TestOpenAPIOtherForms(t *testing.T) {
	d := readDocument(t)
	for _, tt := range []struct{ path, query string }{
		{"/v1/ns/upgrade/ops/metrics", "json=true"},
		{"/v1/ns/catalog/services", "pageNo=1&pageSize=10&withInstances=true"},
		{"/v1/console/namespaces", "show=all&namespaceId="},
		{"/v1/console/namespaces", "checkNamespaceIdExist=true&customNamespaceId=dev"},
		{"/v1/ns/instance/list", "serviceName=none"},
		{"/v1/ns/upgrade/ops/instance/list", "serviceName=none&ver=v1"},
		{"/v1/ns/service/subscribers", "serviceName=orders&pageNo=9"},
		{"/v1/ns/instance/list", "serviceName=orders"},
		{"/v1/ns/instance/list", "serviceName=orders&isCheck=true"},
		{"/v1/ns/operator/distro/status", "action=x"},
	} {
		for kind := range kinds {
			r := furnished(t, d, kind)
			d.answers(t, d.paths[tt.path]["GET"], r.send("GET", tt.path+"?"+tt.query, ""))
		}
	}
}

// What checks the answers finds what is wrong with one.
func TestMismatch(t *testing.T) {
	d := readDocument(t)
	detail := d.object(d.object(d.object(d.root["components"])["schemas"])["InstanceDetail"])
	good := `{"service":"s","ip":"1.1.1.1","port":80,"clusterName":"c","weight":1.5,"healthy":true,"instanceId":"i","metadata":{"k":"v"}}`
	for _, tt := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"port":80,`, ``, "port is missing"},
		{`"port":80`, `"port":"80"`, "port: 80 is no integer"},
		{`"port":80`, `"port":80.5`, "port: 80.5 is no integer"},
		{`"k":"v"`, `"k":1`, "metadata: k: 1 is no string"},
		{`{"service"`, `{"new":1,"service"`, "new is not in the document"},
		{`true`, `null`, "healthy: <nil> is no boolean"},
	} {
		dec := json.NewDecoder(strings.NewReader(strings.Replace(good, tt.old, tt.new, 1)))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if got := d.mismatch(detail, v); got != tt.want {
			t.Errorf("%q for %q: %q, want %q", tt.new, tt.old, got, tt.want)
		}
	}
}

package apitest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// write is a request that one node is sent, and what the others show of it afterwards.
type write struct {
	do   string // "METHOD /path?query", below /nacos/v1
	read string // "/path?query", below /nacos/v1
	has  string // part of what is read; "!…": no part of it
	only string // "persistent" or "ephemeral": the only kind of instance that it is about
	from string // "2.X": the only edition that has it
}

// writes are the changes of everything that is shared, in an order in which each finds what
// it needs. KIND is persistent or ephemeral, EPHEMERAL false or true, TYPE the word for KIND in
// metadata/batch.
var writes = []write{
	{do: "POST /ns/service?serviceName=KIND&protectThreshold=0.25&metadata=a=b", read: "/ns/service?serviceName=KIND", has: `"protectThreshold":0.25,"metadata":{"a":"b"}`},
	{do: "PUT /ns/service?serviceName=KIND&protectThreshold=0.5&metadata=c=d", read: "/ns/service?serviceName=KIND", has: `"protectThreshold":0.5,"metadata":{"c":"d"}`},
	{do: "POST /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&metadata=a=b&ephemeral=EPHEMERAL", read: "/ns/instance/list?serviceName=KIND", has: `"ip":"1.1.1.1"`},
	{do: "POST /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&metadata=a=c&weight=2&ephemeral=EPHEMERAL", read: "/ns/instance/list?serviceName=KIND", has: `"metadata":{"a":"c"}`},
	{do: "PUT /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&weight=7&metadata=k=v&ephemeral=EPHEMERAL", read: "/ns/instance?serviceName=KIND&ip=1.1.1.1&port=80", has: `"weight":7.0`},
	{do: "PATCH /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&enabled=false", read: "/ns/instance/list?serviceName=KIND", has: `"hosts":[]`},
	{do: "PATCH /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&enabled=true", read: "/ns/instance/list?serviceName=KIND", has: `"ip":"1.1.1.1"`},
	{do: "PUT /ns/instance/metadata/batch?serviceName=KIND&metadata=x=y&consistencyType=TYPE&instances=[{%22ip%22:%221.1.1.1%22,%22port%22:80,%22ephemeral%22:EPHEMERAL}]", read: "/ns/instance?serviceName=KIND&ip=1.1.1.1&port=80", has: `"x":"y"`},
	{do: "DELETE /ns/instance/metadata/batch?serviceName=KIND&metadata=x=y&consistencyType=TYPE&instances=[{%22ip%22:%221.1.1.1%22,%22port%22:80,%22ephemeral%22:EPHEMERAL}]", read: "/ns/instance?serviceName=KIND&ip=1.1.1.1&port=80", has: `!"x":"y"`},
	{do: "PUT /ns/cluster?serviceName=KIND&clusterName=DEFAULT&checkPort=81&useInstancePort4Check=false&metadata=m=n&healthChecker={%22type%22:%22NONE%22}", read: "/ns/catalog/service?serviceName=KIND", has: `"healthChecker":{"type":"NONE"},"defaultPort":80,"defaultCheckPort":81,"useIPPort4Check":false,"metadata":{"m":"n"}`},
	{do: "PUT /ns/health?serviceName=KIND&ip=1.1.1.1&port=80&healthy=false", read: "/ns/instance?serviceName=KIND&ip=1.1.1.1&port=80", has: `"healthy":false`, only: "persistent"},
	{do: "PUT /ns/health/instance?serviceName=KIND&ip=1.1.1.1&port=80&valid=true", read: "/ns/instance?serviceName=KIND&ip=1.1.1.1&port=80", has: `"healthy":true`, only: "persistent"},
	{do: `PUT /ns/instance/beat?serviceName=KIND&beat={"ip":"2.2.2.2","port":80,"serviceName":"DEFAULT_GROUP@@KIND","cluster":"DEFAULT","weight":1}`, read: "/ns/instance/list?serviceName=KIND", has: `"ip":"2.2.2.2"`, only: "ephemeral"},
	{do: "POST /ns/instance?serviceName=KIND&ip=3.3.3.3&port=80&healthy=false", read: "/ns/instance?serviceName=KIND&ip=3.3.3.3&port=80", has: `"healthy":false`, only: "ephemeral"},
	{do: "PUT /ns/instance/beat?serviceName=KIND&ip=3.3.3.3&port=80", read: "/ns/instance?serviceName=KIND&ip=3.3.3.3&port=80", has: `"healthy":true`, only: "ephemeral"},
	{do: "DELETE /ns/instance?serviceName=KIND&ip=2.2.2.2&port=80", read: "/ns/instance/list?serviceName=KIND", has: `!2.2.2.2`, only: "ephemeral"},
	{do: "DELETE /ns/instance?serviceName=KIND&ip=3.3.3.3&port=80", read: "/ns/instance/list?serviceName=KIND", has: `!3.3.3.3`, only: "ephemeral"},
	{do: "DELETE /ns/instance?serviceName=KIND&ip=1.1.1.1&port=80&ephemeral=EPHEMERAL", read: "/ns/instance/list?serviceName=KIND", has: `"hosts":[]`},
	{do: "DELETE /ns/service?serviceName=KIND", read: "/ns/service/list?pageNo=1&pageSize=100", has: `!"KIND"`},

	{do: "POST /ns/upgrade/ops/service?ver=v1&serviceName=one-KIND&protectThreshold=0.25", read: "/ns/upgrade/ops/service?ver=v1&serviceName=one-KIND", has: `"protectThreshold":0.25`},
	{do: "PUT /ns/upgrade/ops/service?ver=v1&serviceName=one-KIND&protectThreshold=0.5", read: "/ns/upgrade/ops/service?ver=v1&serviceName=one-KIND", has: `"protectThreshold":0.5`},
	{do: "POST /ns/upgrade/ops/instance?ver=v1&serviceName=one-KIND&ip=1.1.1.1&port=80&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance/list?ver=v1&serviceName=one-KIND", has: `"ip":"1.1.1.1"`},
	{do: "PUT /ns/upgrade/ops/instance?ver=v1&serviceName=one-KIND&ip=1.1.1.1&port=80&weight=3&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance?ver=v1&serviceName=one-KIND&ip=1.1.1.1&port=80", has: `"weight":3.0`},
	{do: "DELETE /ns/upgrade/ops/instance?ver=v1&serviceName=one-KIND&ip=1.1.1.1&port=80&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance/list?ver=v1&serviceName=one-KIND", has: `"hosts":[]`},
	{do: "DELETE /ns/upgrade/ops/service?ver=v1&serviceName=one-KIND", read: "/ns/upgrade/ops/service/list?ver=v1&pageNo=1&pageSize=100", has: `!"one-KIND"`},
	{do: "POST /ns/upgrade/ops/service?ver=v2&serviceName=two-KIND&protectThreshold=0.25", read: "/ns/upgrade/ops/service?ver=v2&serviceName=two-KIND", has: `"protectThreshold":0.25`, from: "2.X"},
	{do: "PUT /ns/upgrade/ops/service?ver=v2&serviceName=two-KIND&protectThreshold=0.5", read: "/ns/upgrade/ops/service?ver=v2&serviceName=two-KIND", has: `"protectThreshold":0.5`, from: "2.X"},
	{do: "POST /ns/upgrade/ops/instance?ver=v2&serviceName=two-KIND&ip=1.1.1.1&port=80&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance/list?ver=v2&serviceName=two-KIND", has: `"ip":"1.1.1.1"`, from: "2.X"},
	{do: "PUT /ns/upgrade/ops/instance?ver=v2&serviceName=two-KIND&ip=1.1.1.1&port=80&weight=3&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance?ver=v2&serviceName=two-KIND&ip=1.1.1.1&port=80", has: `"weight":3.0`, from: "2.X"},
	{do: "DELETE /ns/upgrade/ops/instance?ver=v2&serviceName=two-KIND&ip=1.1.1.1&port=80&ephemeral=EPHEMERAL", read: "/ns/upgrade/ops/instance/list?ver=v2&serviceName=two-KIND", has: `"hosts":[]`, from: "2.X"},
	{do: "DELETE /ns/upgrade/ops/service?ver=v2&serviceName=two-KIND", read: "/ns/upgrade/ops/service/list?ver=v2&pageNo=1&pageSize=100", has: `!"two-KIND"`, from: "2.X"},

	{do: "POST /console/namespaces?customNamespaceId=KIND&namespaceName=First", read: "/console/namespaces", has: `"namespace":"KIND","namespaceShowName":"First"`},
	{do: "PUT /console/namespaces?namespace=KIND&namespaceShowName=Second", read: "/console/namespaces", has: `"namespace":"KIND","namespaceShowName":"Second"`},
	{do: "DELETE /console/namespaces?namespaceId=KIND", read: "/console/namespaces", has: `!"KIND"`},
	{do: "PUT /ns/operator/switches?entry=clientBeatInterval&value=6001", read: "/ns/operator/switches", has: `"clientBeatInterval":6001`, only: "persistent"},
	{do: "PUT /ns/ops/switches?entry=clientBeatInterval&value=6002", read: "/ns/operator/switches", has: `"clientBeatInterval":6002`, only: "ephemeral"},
}

// ofANode are the writes that are about the node that is asked.
var ofANode = []string{"PUT /v1/ns/operator/log", "PUT /v1/ns/ops/log", "PUT /v1/core/ops/log"}

// byFaultTests are the writes that need a fault.
var byFaultTests = []string{"POST /v1/core/cluster/server/leave"}

// tryWrites sends the writes that an edition has, each to one node; it is read through the
// others.
func tryWrites(t *testing.T, edition string, nodes []*proctest.Server) {
	for _, kind := range []string{"persistent", "ephemeral"} {
		names := strings.NewReplacer("KIND", kind, "EPHEMERAL", fmt.Sprint(kind == "ephemeral"), "TYPE", map[string]string{"persistent": "persist", "ephemeral": "ephemeral"}[kind])
		for i, w := range writes {
			if w.only != "" && w.only != kind || w.from != "" && w.from != edition {
				continue
			}
			seenByOthers(t, nodes, i, names.Replace(w.do), names.Replace(w.read), names.Replace(w.has))
		}
	}
}

// seenByOthers sends a write to a node and waits until the others show it.
func seenByOthers(t *testing.T, nodes []*proctest.Server, i int, do, read, has string) {
	t.Helper()
	method, target, _ := strings.Cut(do, " ")
	by := nodes[i%len(nodes)]
	if a := send(t, by.Addr, method, "/nacos/v1"+target, ""); a.code != 200 || a.body == "false" {
		t.Fatalf("%s: %v", do, a)
	}
	text, not := strings.CutPrefix(has, "!")
	for _, n := range nodes {
		if n == by {
			continue
		}
		eventually(t, within, do+": seen by another node", func() string {
			if a := send(t, n.Addr, "GET", "/nacos/v1"+read, ""); a.code != 200 || strings.Contains(a.body, text) == not {
				return a.String()
			}
			return ""
		})
	}
}

// debugOfOne sets a switch for one node: the others, which have heard of what was set later,
// keep theirs.
func debugOfOne(t *testing.T, nodes []*proctest.Server) {
	if a := send(t, nodes[0].Addr, "PUT", "/nacos/v1/ns/operator/switches?entry=healthCheckTimes&value=9&debug=true", ""); a.code != 200 {
		t.Fatal(a)
	}
	seenByOthers(t, nodes, 0, "PUT /ns/operator/switches?entry=clientBeatInterval&value=6003", "/ns/operator/switches", `"clientBeatInterval":6003`)
	for i, n := range nodes {
		want := `"checkTimes":3,`
		if i == 0 {
			want = `"checkTimes":9,`
		}
		if a := send(t, n.Addr, "GET", "/nacos/v1/ns/operator/switches", ""); !strings.Contains(a.body, want) {
			t.Errorf("node %d: no %s in %v", i+1, want, a)
		}
	}
}

// logLevelOfOne has one node tell of its pushes; the others do not.
func logLevelOfOne(t *testing.T, nodes []*proctest.Server) {
	if a := send(t, nodes[0].Addr, "PUT", "/nacos/v1/ns/operator/log?logName=naming-push&logLevel=DEBUG", ""); a.code != 200 {
		t.Fatal(a)
	}
	var clients []*net.UDPConn
	for _, n := range nodes[:2] {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		if a, err := try(n.Addr, "GET", "/nacos/v1/ns/instance/list?serviceName=pushed&clientIP=127.0.0.1&udpPort="+port, "", "Nacos-Java-Client:v1.4.2"); err != nil || a.code != 200 {
			t.Fatal(a, err)
		}
	}
	seenByOthers(t, nodes, 2, "POST /ns/instance?serviceName=pushed&ip=1.1.1.1&port=80", "/ns/instance/list?serviceName=pushed", `"ip":"1.1.1.1"`)
	for i, c := range clients {
		if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1<<16)); err != nil {
			t.Fatalf("the subscriber of node %d got no push: %v", i+1, err)
		}
	}
	const line = "service=public@@DEFAULT_GROUP@@pushed"
	eventually(t, within, "the push is logged", func() string {
		if log := nodes[0].Log("naming-push.log"); !strings.Contains(log, line) {
			return "only " + log
		}
		return ""
	})
	if log := nodes[1].Log("naming-push.log"); strings.Contains(log, line) {
		t.Errorf("another node logs pushes too: %s", log)
	}
}

// Every write that the server has is among those above, unless it is refused always, is
// about one node, or needs a fault.
func TestWritesAreAll(t *testing.T) {
	have := slices.Concat(ofANode, byFaultTests)
	for _, w := range writes {
		method, target, _ := strings.Cut(w.do, " ")
		path, _, _ := strings.Cut(target, "?")
		have = append(have, method+" /v1"+path)
	}
	operations := readOperations(t)
	for _, route := range readRoutes(t) {
		if !strings.HasPrefix(route, "GET ") && !slices.Contains(operations[route].Tags, "refused") && !slices.Contains(have, route) {
			t.Errorf("%s: no write is tried", route)
		}
	}
}

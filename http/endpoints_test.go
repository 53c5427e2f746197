package http

import (
	"regexp"
	"strings"
	"testing"

	"nactor/naming"
)

// The bodies below follow the description of Nacos 2.0.3's API; none is a recording of a
// running Nacos.

var clock = regexp.MustCompile(`"(lastRefTime|timestamp)":("[^"]*"|\d+)`)

// steady takes out of a body what differs from call to call.
func steady(body string) string { return clock.ReplaceAllString(body, `"$1":0`) }

type row struct {
	method, path, form string
	code               int
	body               string // of a row that begins with "…": the rest of it is in the body
}

func (r *rig) rows(rows []row) {
	r.t.Helper()
	for _, tt := range rows {
		a := r.send(tt.method, tt.path, tt.form)
		got := steady(a.body)
		part, isPart := strings.CutPrefix(tt.body, "…")
		if a.code != tt.code || !isPart && got != tt.body || isPart && !strings.Contains(got, part) {
			r.t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", tt.method, tt.path, tt.form, a.code, got, tt.code, tt.body)
		}
		if string(a.head.Peek("X-Content-Type-Options")) != "nosniff" {
			r.t.Errorf("%s %s: no nosniff", tt.method, tt.path)
		}
		if len(a.head.Peek("Server")) > 0 {
			r.t.Errorf("%s %s: names its server software", tt.method, tt.path)
		}
	}
}

const (
	inst  = "/v1/ns/instance"
	svc   = "/v1/ns/service"
	host1 = `{"instanceId":"1.1.1.1#80#DEFAULT#DEFAULT_GROUP@@s","ip":"1.1.1.1","port":80,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@s","metadata":{},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"}`
)

func TestInstanceEndpoints(t *testing.T) {
	r := start(t)
	r.rows([]row{
		{"PUT", inst, "serviceName=s&ip=1.1.1.1&port=80", 500, "caused: service not found, namespace: public, service: Service{namespace='public', group='DEFAULT_GROUP', name='s', ephemeral=true, revision=0};"},
		{"PATCH", inst, "serviceName=s&ip=1.1.1.1&port=80", 500, "caused: no ips found for cluster DEFAULT in service DEFAULT_GROUP@@s;"},
		{"GET", inst + "?serviceName=s&ip=1.1.1.1&port=80", "", 500, "caused: no ips found for cluster DEFAULT in service DEFAULT_GROUP@@s;"},
		{"DELETE", inst + "?serviceName=s&ip=1.1.1.1&port=80", "", 200, "ok"},
		{"GET", inst + "/statuses?key=DEFAULT_GROUP@@s", "", 200, `{"ips":[]}`},
		{"PUT", inst + "/metadata/batch", "serviceName=s&metadata=a=b", 200, `{"updated":[]}`},
		{"GET", inst + "/list?serviceName=s&clusters=a,b", "", 200, `{"name":"DEFAULT_GROUP@@s","groupName":"DEFAULT_GROUP","clusters":"a,b","cacheMillis":10000,"hosts":[],"lastRefTime":0,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}`},

		{"POST", inst + "?serviceName=s&ip=1.1.1.1&port=80", "", 200, "ok"},
		{"GET", inst + "/list?serviceName=s", "", 200, `{"name":"DEFAULT_GROUP@@s","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"hosts":[` + host1 + `],"lastRefTime":0,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}`},
		{"GET", inst + "/list/?serviceName=DEFAULT_GROUP@@s&groupName=ignored", "", 200, "…" + host1},
		{"GET", inst + "?serviceName=s&ip=1.1.1.1&port=81", "", 500, "caused: no matched ip found!;"},
		{"GET", inst + "?serviceName=s&ip=1.1.1.1&port=80&cluster=x", "", 500, "caused: no matched ip found!;"},
		{"PATCH", inst, "serviceName=s&ip=1.1.1.1&port=80&weight=2&metadata=k=v&enabled=on", 200, "ok"},
		{"GET", inst + "?serviceName=s&ip=1.1.1.1&port=80", "", 200, `{"service":"DEFAULT_GROUP@@s","ip":"1.1.1.1","port":80,"clusterName":"DEFAULT","weight":2.0,"healthy":true,"instanceId":"1.1.1.1#80#DEFAULT#DEFAULT_GROUP@@s","metadata":{"k":"v"}}`},
		{"PUT", inst + "/metadata/batch", `serviceName=s&metadata={"k2":"v2"}&instances=[{"ip":"1.1.1.1","port":80}]&consistencyType=ephemeral`, 200, `{"updated":["1.1.1.1:80:unknown:DEFAULT:ephemeral"]}`},
		{"DELETE", inst + "/metadata/batch", "serviceName=s&metadata=k=x", 200, `{"updated":["1.1.1.1:80:unknown:DEFAULT:ephemeral"]}`},
		{"GET", inst + "?serviceName=s&ip=1.1.1.1&port=80", "", 200, `…"metadata":{"k2":"v2"}`},
		{"PUT", inst, "serviceName=s&ip=1.1.1.1&port=80&enabled=false", 200, "ok"},
		{"GET", inst + "/list?serviceName=s", "", 200, `…"hosts":[]`},
		{"DELETE", inst, "serviceName=s&ip=1.1.1.1&port=80&clusterName=whatever", 200, "ok"},

		{"POST", inst, "serviceName=s", 400, "caused: Param 'ip' is required.;"},
		{"POST", inst, "serviceName=s&ip=&port=80", 400, "caused: Param 'ip' is required.;"},
		{"POST", inst, "serviceName=s&ip=%20&port=80", 400, "caused: Param 'ip' is required.;"},
		{"POST", inst, "serviceName=s&ip=1.1.1.1", 400, "caused: Param 'port' is required.;"},
		{"POST", inst, "ip=1.1.1.1&port=80", 400, "caused: Param 'serviceName' is required.;"},
		{"POST", inst, "serviceName=%20&ip=1.1.1.1&port=80", 400, "caused: Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName';"},
		{"POST", inst, "serviceName=g@@&ip=1.1.1.1&port=80", 400, "caused: Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName';"},
		{"POST", inst, "serviceName=@@s&ip=1.1.1.1&port=80", 400, "caused: Param 'serviceName' is illegal, groupName can't be empty;"},
		{"GET", inst + "/list", "", 400, "caused: Param 'serviceName' is required.;"},
		{"GET", inst + "/list?serviceName=s&udpPort=x", "", 400, `caused: For input string: "x";`},
		{"GET", inst + "/list?serviceName=s&udpPort=", "", 200, "…hosts"},
		{"GET", inst + "/statuses", "", 500, "caused: Required String parameter 'key' is not present;"},
		{"GET", inst + "/statuses?key=s", "", 400, "caused: Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName';"},
		{"PUT", inst + "/metadata/batch", "serviceName=s", 400, "caused: Param 'metadata' is required.;"},
		{"PUT", inst + "/metadata/batch", "serviceName=s&metadata=a=b&instances=[{", 500, "…caused: errCode: 101, errMsg: Nacos deserialize"},
		{"PUT", inst + "/beat", "beat=x", 500, "…caused: errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.naming.healthcheck.RsInfo] failed.  ;caused: "},
		{"PUT", inst + "/beat", "ip=1.1.1.1&port=80", 400, "caused: Param 'serviceName' is required.;"},
		{"PUT", inst + "/beat", "serviceName=s&ip=1.1.1.1&port=x", 400, `caused: For input string: "x";`},
		{"PUT", inst + "/beat", "serviceName=s", 200, `{"clientBeatInterval":5000,"code":20404,"lightBeatEnabled":true}`},
	})
}

func TestServiceEndpoints(t *testing.T) {
	r := start(t)
	r.rows([]row{
		{"GET", svc + "?serviceName=s", "", 200, `{"namespaceId":"public","groupName":"DEFAULT_GROUP","name":"s","protectThreshold":0.0,"metadata":{},"selector":{"type":"none"},"clusters":[]}`},
		{"PUT", svc, "serviceName=s&protectThreshold=0.5", 500, "caused: service DEFAULT_GROUP@@s not found!;"},
		{"DELETE", svc + "?serviceName=s", "", 200, "ok"},
		{"POST", svc, "serviceName=s&groupName=g&protectThreshold=0.8&metadata=a=b&selector=" + `%7B%22type%22%3A%22none%22%7D`, 200, "ok"},
		{"POST", svc, "serviceName=g@@s", 500, "caused: specified service g@@s already exists!;"},
		{"GET", svc + "?serviceName=g@@s", "", 200, `{"namespaceId":"public","groupName":"g","name":"s","protectThreshold":0.8,"metadata":{"a":"b"},"selector":{"type":"none"},"clusters":[]}`},
		{"PUT", svc, "serviceName=g@@s&protectThreshold=x", 200, "ok"},
		{"GET", svc + "?serviceName=g@@s", "", 200, `{"namespaceId":"public","groupName":"g","name":"s","protectThreshold":0.0,"metadata":{},"selector":{"type":"none"},"clusters":[]}`},
		{"POST", inst, "serviceName=g@@s&ip=1.1.1.1&port=80", 200, "ok"},
		{"DELETE", svc, "serviceName=g@@s", 500, "caused: Service g@@s is not empty, can't be delete. Please unregister instance first;"},
		{"POST", inst, "serviceName=a&ip=1.1.1.1&port=80", 200, "ok"},
		{"POST", inst, "serviceName=b&ip=1.1.1.1&port=80&namespaceId=n", 200, "ok"},
		{"GET", svc + "/list?pageNo=1&pageSize=10", "", 200, `{"doms":["a"],"count":1}`},
		{"GET", svc + "/list?pageNo=0&pageSize=2147483647&groupName=g", "", 200, `{"doms":["s"],"count":1}`},
		{"GET", svc + "/list?pageNo=3&pageSize=10", "", 200, `{"doms":[],"count":1}`},
		{"GET", svc + "/list?pageNo=x&pageSize=y", "", 200, `{"doms":[],"count":1}`},
		{"GET", svc + "/list?pageNo=-1&pageSize=-5", "", 200, `{"doms":[],"count":1}`},
		{"GET", svc + "/list?pageSize=10", "", 400, "caused: Param 'pageNo' is required.;"},
		{"GET", svc + "/names", "", 200, `{"services":{"n":["DEFAULT_GROUP@@b"],"public":["DEFAULT_GROUP@@a","g@@s"]},"count":3}`},
		{"GET", svc + "/names?namespaceId=public&expr=g@@", "", 200, `{"services":{"public":["g@@s"]},"count":1}`},
		{"GET", svc + "/names?responsibleOnly=maybe", "", 500, "…caused: Failed to convert value of type 'java.lang.String' to required type 'boolean'"},
		{"GET", svc + "/subscribers?serviceName=a", "", 200, `{"subscribers":[],"count":0}`},
		{"GET", svc + "/subscribers", "", 400, "caused: Param 'serviceName' is required.;"},
		{"GET", svc, "", 500, "caused: Required String parameter 'serviceName' is not present;"},
		{"POST", svc, "", 500, "caused: Required String parameter 'serviceName' is not present;"},
		{"POST", svc, "serviceName=x&protectThreshold=y", 500, "…caused: Failed to convert value of type 'java.lang.String' to required type 'float'"},
		{"POST", svc, "serviceName=x&selector=%7B%22type%22%3A%22z%22%7D", 400, "caused: No enum constant com.alibaba.nacos.api.selector.SelectorType.z;"},
		{"POST", svc, "serviceName=x&selector=" + `{"type":"label","expression":"a"}`, 500, "caused: parse expression failed!;"},
		{"PUT", svc, "serviceName=x", 400, "caused: Param 'protectThreshold' is required.;"},

		{"GET", "/v1/ns/catalog/service?serviceName=a", "", 200, `…{"service":{"name":"a","groupName":"DEFAULT_GROUP"`},
		{"GET", "/v1/ns/catalog/service?serviceName=zz", "", 500, "caused: service DEFAULT_GROUP@@zz is not found!;"},
		{"GET", "/v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageNo=1&pageSize=10", "", 200, `…"count":1}`},
		{"GET", "/v1/ns/catalog/instances?serviceName=a&clusterName=X&pageNo=1&pageSize=10", "", 500, "caused: cluster X is not found!;"},
		{"GET", "/v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageSize=10", "", 500, "caused: Required int parameter 'pageNo' is not present;"},
		{"GET", "/v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageNo=x&pageSize=10", "", 500, `caused: Failed to convert value of type 'java.lang.String' to required type 'int'; nested exception is java.lang.NumberFormatException: For input string: "x";caused: For input string: "x";`},
		{"GET", "/v1/ns/catalog/services?pageNo=1&pageSize=1", "", 200, `{"count":2,"serviceList":[{"name":"a","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":1,"healthyInstanceCount":1,"triggerFlag":"false"}]}`},
		{"GET", "/v1/ns/catalog/services?pageNo=1&pageSize=10&groupNameParam=g&serviceNameParam=s&hasIpCount=true", "", 200, `…{"count":1,"serviceList":[{"name":"s","groupName":"g"`},
		{"GET", "/v1/ns/catalog/services?pageNo=1&pageSize=10&withInstances=true&serviceNameParam=a", "", 200, `[{"serviceName":"a","groupName":"DEFAULT_GROUP","clusterMap":{"DEFAULT":{"hosts":[{"valid":true,"metadata":{},"port":80,"ip":"1.1.1.1","weight":1.0,"enabled":true}]}},"metadata":{}}]`},
		{"GET", "/v1/ns/catalog/services", "", 500, "…caused: Optional int parameter 'pageNo' is present but cannot be translated into a null value"},

		{"PUT", "/v1/ns/cluster", `serviceName=g@@s&clusterName=c&checkPort=81&useInstancePort4Check=false&healthChecker={"type":"NONE"}`, 200, "ok"},
		{"PUT", "/v1/ns/cluster", `serviceName=none&clusterName=c&checkPort=81&useInstancePort4Check=false&healthChecker={"type":"NONE"}`, 500, "caused: service not found:DEFAULT_GROUP@@none;"},
		{"PUT", "/v1/ns/cluster", `serviceName=g@@s&clusterName=c&checkPort=81&useInstancePort4Check=false&healthChecker={`, 500, "…caused: errCode: 101"},
		{"PUT", "/v1/ns/cluster", `serviceName=g@@s&clusterName=c&checkPort=81&healthChecker={}`, 400, "caused: Param 'useInstancePort4Check' is required.;"},
		{"PUT", "/v1/ns/health", "serviceName=g@@s&ip=1.1.1.1&port=80&clusterName=c&healthy=false", 200, "ok"},
		{"PUT", "/v1/ns/health/instance", "serviceName=g@@s&ip=1.1.1.1&port=80&valid=true", 500, "caused: health check is still working, service: g@@s, cluster: DEFAULT;"},
		{"PUT", "/v1/ns/health", "serviceName=g@@s&ip=1.1.1.1&port=80", 400, "caused: Param 'healthy' is required.;"},
		{"GET", "/v1/ns/health/server", "", 200, `{"msg":"Hello! I am Nacos-Naming and healthy! total services: 3, local port:8848"}`},
		{"GET", "/v1/ns/health/checkers", "", 200, `{"TCP":{"type":"TCP"},"HTTP":{"type":"HTTP","path":"","headers":"","expectedResponseCode":200},"MYSQL":{"type":"MYSQL","user":null,"pwd":null,"cmd":null},"NONE":{"type":"NONE"}}`},
	})
}

func TestOperatorEndpoints(t *testing.T) {
	r := start(t)
	r.actors = []ActorDetail{
		{Actor{"public@@g@@s", "service", "10.0.0.1:8848", "pid1"}, "v2", naming.Revision{Activation: 3, Counter: 4}, 0, 2, 1, 5, 7, -1},
		{Actor{"public@@g@@t", "service", "10.0.0.2:8848", "pid2"}, "v2", naming.Revision{}, 0, 2, 1, 5, 7, 1500000},
	}
	const member1 = `{"ip":"10.0.0.1","port":8848,"state":"UP","extendInfo":{"lastRefreshTime":1617892880057,"raftMetaData":{"metaDataMap":{"naming_persistent_service":{"leader":"10.0.0.1:7848","raftGroupMember":["10.0.0.1:7848"],"term":1}}},"raftPort":"7848","readyToUpgrade":true,"version":"2.0.3"},"address":"10.0.0.1:8848","failAccessCnt":0,"abilities":{"remoteAbility":{"supportRemoteConnection":true},"configAbility":{"supportRemoteMetrics":false},"namingAbility":{"supportJraft":true}}}`
	const member2 = `{"ip":"10.0.0.2","port":8848,"state":"DOWN","extendInfo":{"raftPort":"7848","version":"1.4.2"},"address":"10.0.0.2:8848","failAccessCnt":4}`
	r.rows([]row{
		{"GET", "/v1/ns/operator/switches", "", 200, `…{"masters":null,"adWeightMap":{},"defaultPushCacheMillis":10000,"clientBeatInterval":5000,`},
		{"PUT", "/v1/ns/operator/switches?entry=pushEnabled&value=false", "", 200, "ok"},
		{"PUT", "/v1/ns/ops/switches/", "entry=pushEnabled&value=true&debug=true", 200, "ok"},
		{"PUT", "/v1/ns/ops/switches", "entry=x&value=bad", 400, "caused: malformed factor;"},
		{"PUT", "/v1/ns/operator/switches", "value=true", 500, "caused: Required String parameter 'entry' is not present;"},
		{"PUT", "/v1/ns/operator/switches", "entry=x", 500, "caused: Required String parameter 'value' is not present;"},
		{"GET", "/v1/ns/operator/metrics", "", 200, `{"status":"UP"}`},
		{"GET", "/v1/ns/operator/metrics?onlyStatus=false", "", 200, `…{"status":"UP","serviceCount":0,"instanceCount":0,"subscribeCount":0,"raftNotifyTaskCount":0,"responsibleServiceCount":4,"responsibleInstanceCount":115,"cpu":-1.0,"load":`},
		{"GET", "/v1/ns/operator/servers", "", 200, `{"servers":[` + member1 + "," + member2 + `]}`},
		{"GET", "/v1/ns/operator/servers?healthy=true", "", 200, `{"servers":[` + member1 + `]}`},
		{"GET", "/v1/ns/operator/push/state?detail=true", "", 200, `{"succeed":5,"total":7,"ratio":0.71428573,"detail":{"avgPushCost":3,"maxPushCost":9},"reset":false}`},
		{"GET", "/v1/ns/operator/push/state?reset=true", "", 200, `{"succeed":5,"total":7,"ratio":0.71428573,"reset":true}`},
		{"GET", "/v1/ns/operator/push/state", "", 200, `{"succeed":0,"total":0,"ratio":0,"reset":false}`},

		{"GET", "/v1/console/namespaces", "", 200, `{"code":200,"message":null,"data":[{"namespace":"","namespaceShowName":"public","quota":200,"configCount":0,"type":0}]}`},
		{"POST", "/v1/console/namespaces", "customNamespaceId=dev&namespaceName=Dev&namespaceDesc=d", 200, "true"},
		{"POST", "/v1/console/namespaces", "customNamespaceId=dev&namespaceName=Dev", 200, "false"},
		{"POST", "/v1/console/namespaces", "customNamespaceId=a.b&namespaceName=Dev", 200, "false"},
		{"POST", "/v1/console/namespaces", "customNamespaceId=" + strings.Repeat("a", 129) + "&namespaceName=Dev", 200, "false"},
		{"POST", "/v1/console/namespaces", "namespaceName=Dev", 500, "caused: Required String parameter 'customNamespaceId' is not present;"},
		{"PUT", "/v1/console/namespaces", "namespace=dev&namespaceShowName=D2&namespaceDesc=d2", 200, "true"},
		{"GET", "/v1/console/namespaces?show=all&namespaceId=dev", "", 200, `{"namespace":"dev","namespaceShowName":"D2","quota":200,"configCount":0,"type":2,"namespaceDesc":"d2"}`},
		{"GET", "/v1/console/namespaces?show=all", "", 200, `{"namespace":"","namespaceShowName":"Public","quota":200,"configCount":0,"type":0,"namespaceDesc":"Public Namespace"}`},
		{"GET", "/v1/console/namespaces?show=all&namespaceId=zz", "", 500, "caused: namespace zz does not exist;"},
		{"GET", "/v1/console/namespaces?checkNamespaceIdExist=true&customNamespaceId=dev", "", 200, "true"},
		{"GET", "/v1/console/namespaces?checkNamespaceIdExist=true&customNamespaceId=", "", 200, "false"},
		{"DELETE", "/v1/console/namespaces?namespaceId=dev", "", 200, "true"},
		{"DELETE", "/v1/console/namespaces", "", 500, "caused: Required String parameter 'namespaceId' is not present;"},
		{"POST", "/v1/console/namespaces", "customNamespaceId=&namespaceName=Dev", 200, "true"},
		{"GET", "/v1/console/health/liveness", "", 200, "OK"},
		{"GET", "/v1/console/health/readiness", "", 200, "OK"},
		{"GET", "/v1/console/server/state", "", 200, `{"version":"2.0.3","standalone_mode":"cluster","function_mode":"naming"}`},

		{"GET", "/v1/ns/operator/cluster/state", "", 200, `{"ip":"10.0.0.1:8848","voteFor":"10.0.0.2:8848","term":7,"leaderDueMs":0,"heartbeatDueMs":0,"state":"FOLLOWER"}`},
		{"GET", "/v1/core/cluster/self", "", 200, `{"code":200,"message":null,"data":` + member1 + `}`},
		{"GET", "/v1/core/cluster/nodes", "", 200, `{"code":200,"message":null,"data":[` + member1 + "," + member2 + `]}`},
		{"GET", "/v1/core/cluster/nodes?keyword=10.0.0.2", "", 200, `{"code":200,"message":null,"data":[` + member2 + `]}`},
		{"GET", "/v1/core/cluster/simple/nodes", "", 200, `{"code":200,"message":null,"data":["10.0.0.1:8848"]}`},
		{"GET", "/v1/core/cluster/health", "", 200, `{"code":200,"message":null,"data":"UP"}`},
		{"GET", "/v1/core/ops/actors", "", 200, `{"code":200,"message":null,"data":{"count":2,"actors":[{"identity":"public@@g@@s","kind":"service","node":"10.0.0.1:8848","pid":"pid1"},{"identity":"public@@g@@t","kind":"service","node":"10.0.0.2:8848","pid":"pid2"}]}}`},
		{"GET", "/v1/core/ops/actors?name=t&pageNo=1&pageSize=1", "", 200, `…"count":1,"actors":[{"identity":"public@@g@@t"`},
		{"GET", "/v1/core/ops/actors?kind=x", "", 200, `{"code":200,"message":null,"data":{"count":0,"actors":[]}}`},
		{"GET", "/v1/core/ops/actors/detail?identity=public@@g@@s", "", 200, `{"code":200,"message":null,"data":{"identity":"public@@g@@s","kind":"service","node":"10.0.0.1:8848","pid":"pid1","mode":"v2","revision":"3.4","v1Instances":0,"v2Instances":2,"pendingDoubleWrite":1,"mailbox":5,"handled":7,"lastBeatMillisAgo":null}}`},
		{"GET", "/v1/core/ops/actors/detail?identity=public@@g@@t", "", 200, `…"lastBeatMillisAgo":1}}`},
		{"GET", "/v1/core/ops/actors/detail", "", 400, "caused: Param 'identity' is required.;"},
		{"GET", "/v1/core/ops/actors/detail?identity=x", "", 500, "caused: service x is not active;"},
		{"GET", "/actuator/prometheus", "", 200, `…nacos_monitor{module="naming",name="serviceCount"} 0`},
		{"GET", "/actuator/prometheus", "", 200, `…nactor_http_requests_total{code="200",method="GET",route="/v1/core/cluster/self"} 1`},
	})
	if want := []string{"pushEnabled=false false", "pushEnabled=true true"}; strings.Join(r.set, "|") != strings.Join(want, "|") {
		t.Errorf("switches set: %q, want %q", r.set, want)
	}
}

// The names of a page and those of an error must not depend on how a client asks.
func TestContentTypes(t *testing.T) {
	r := start(t)
	const java = "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
	for _, tt := range []struct {
		path, accept, ct string
	}{
		{"/v1/console/health/liveness", "Accept: */*", plainText},
		{"/v1/console/health/liveness", java, htmlText},
		{inst + "/list?serviceName=s", java, jsonText},
		{inst + "/list", java, plainText},
		{"/v1/ns/nothing", "Accept: */*", jsonText},
		{"/v1/ns/nothing", java, htmlText},
	} {
		if a := r.send("GET", tt.path, "", tt.accept); a.ct != tt.ct {
			t.Errorf("GET %s, %s: %s, want %s", tt.path, tt.accept, a.ct, tt.ct)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	r := start(t)
	spring := func(status, reason, message, path string) string {
		return `{"timestamp":0,"status":` + status + `,"error":"` + reason + `","message":"` + message + `","path":"` + path + `"}`
	}
	none := func(method, path string) row {
		return row{method, path, "", 501, spring("501", "Not Implemented", "no such api:"+method+":/nacos"+path, "/nacos"+path)}
	}
	r.rows([]row{
		none("GET", "/v1/ns/instances"),
		none("GET", "/v1/ns"),
		none("POST", inst+"/list"),
		none("OPTIONS", inst),
		none("GET", svc+"/selector/types"),
		none("POST", svc+"/names"),
		none("GET", inst+"//list"),
		none("GET", inst+"/list//"),
		none("GET", inst+"%2Flist"),
		none("GET", inst+";x/list"),
		{"GET", "/v1/nsx", "", 404, spring("404", "Not Found", "No message available", "/nacos/v1/nsx")},
		{"GET", "/", "", 404, spring("404", "Not Found", "No message available", "/nacos/")},
		{"POST", "/v1/core/cluster/self", "", 405, spring("405", "Method Not Allowed", "Request method 'POST' not supported", "/nacos/v1/core/cluster/self")},
		{"GET", "/v1/auth/../ns/instance/list", "", 404, "…Not Found"},
	})
	if a := r.send("DELETE", "/v1/console/server/state", ""); string(a.head.Peek("Allow")) != "GET" {
		t.Errorf("Allow: %s", a.head.Peek("Allow"))
	}
	if a := r.send("HEAD", "/v1/console/health/readiness", ""); a.code != 200 || a.body != "" {
		t.Errorf("HEAD: %v", a)
	}
	if a := r.send("HEAD", inst+"/list?serviceName=s", ""); a.code != 501 {
		t.Errorf("HEAD in the naming API: %v", a)
	}
	if a := r.send("GET", "/v1/ns/<script>alert(1)</script>", "", "Accept: text/html"); a.code != 501 || strings.Contains(a.body, "<script>") || !strings.Contains(a.body, "Whitelabel Error Page") {
		t.Errorf("page: %v", a)
	}
}

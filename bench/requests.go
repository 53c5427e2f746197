package bench

import (
	"fmt"
	"net/url"
)

// Fleet is the registry content that a load works on: services with instances each.
type Fleet struct {
	Services, Instances int // Instances: a service
	Prefix              string
	Persistent          bool
	Patient             bool // instances stay healthy for an hour without heartbeats
}

// Size returns the number of instances in all.
func (f Fleet) Size() int { return f.Services * f.Instances }

// Name returns the name of service s.
func (f Fleet) Name(s int) string { return fmt.Sprintf("%s-%d", f.Prefix, s) }

// address of instance i of the fleet: neighbours belong to different services, so that
// consecutive requests meet different grains.
func (f Fleet) address(i int) (service string, ip string, port int) {
	i %= f.Size()
	s, n := i%f.Services, i/f.Services
	return f.Name(s), fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), 8080
}

const head = " HTTP/1.1\r\nHost: bench\r\nUser-Agent: Nacos-Go-Client:v1.1.6\r\nClient-Version: Nacos-Go-Client:v1.1.6\r\n" +
	"Connection: Keep-Alive\r\nRequest-Module: Naming\r\nContent-Type: application/x-www-form-urlencoded;charset=utf-8\r\n"

func form(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s%sContent-Length: %d\r\n\r\n%s", method, path, head, len(body), body)
}

// Register returns the registration of instance i, as the Go SDK 1.x sends it.
func (f Fleet) Register(i int) []byte {
	service, ip, port := f.address(i)
	metadata := "{}"
	if f.Patient {
		metadata = `{"preserved.heart.beat.timeout":"3600000","preserved.ip.delete.timeout":"3600000"}`
	}
	body := url.Values{
		"namespaceId": {"public"}, "serviceName": {"DEFAULT_GROUP@@" + service}, "groupName": {"DEFAULT_GROUP"}, "app": {"bench"},
		"clusterName": {"DEFAULT"}, "ip": {ip}, "port": {fmt.Sprint(port)}, "weight": {"1"}, "enable": {"true"}, "healthy": {"true"},
		"metadata": {metadata}, "ephemeral": {fmt.Sprint(!f.Persistent)},
	}
	return form("POST", "/nacos/v1/ns/instance", body.Encode())
}

// Beat returns a heartbeat of instance i with the instance in it, as the Go SDK 1.x sends
// it: not escaped.
func (f Fleet) Beat(i int) []byte {
	service, ip, port := f.address(i)
	return form("PUT", "/nacos/v1/ns/instance/beat", fmt.Sprintf(
		`namespaceId=public&serviceName=DEFAULT_GROUP@@%[1]s&beat={"ip":"%[2]s","port":%[3]d,"weight":1,"serviceName":"DEFAULT_GROUP@@%[1]s","cluster":"DEFAULT","metadata":{},"scheduled":false}`,
		service, ip, port))
}

// LightBeat returns a heartbeat of instance i without the instance, as the Java SDK sends
// it once it may.
func (f Fleet) LightBeat(i int) []byte {
	service, ip, port := f.address(i)
	return form("PUT", fmt.Sprintf("/nacos/v1/ns/instance/beat?namespaceId=public&serviceName=DEFAULT_GROUP%%40%%40%s&clusterName=DEFAULT&ip=%s&port=%d", service, ip, port), "")
}

// List returns a query of service i%Services.
func (f Fleet) List(i int) []byte {
	return fmt.Appendf(nil, "GET /nacos/v1/ns/instance/list?namespaceId=public&serviceName=DEFAULT_GROUP@@%s&clusters=&udpPort=0&healthyOnly=false&clientIP=127.0.0.1%s\r\n", f.Name(i%f.Services), head)
}

// prebuilt renders the first n requests once, so that the generator spends its time on
// sending.
func prebuilt(n int, request func(int) []byte) func(int) []byte {
	made := make([][]byte, n)
	for i := range made {
		made[i] = request(i)
	}
	return func(i int) []byte { return made[i%n] }
}

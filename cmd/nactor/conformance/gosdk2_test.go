package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// The naming API of the Go SDK for 2.x in full: every method that it exports, with what
// applications rely on.
func TestGoSDK2(t *testing.T) {
	at, _ := server(t)
	i := slices.IndexFunc(sdks, func(s sdk) bool { return s.language == "go" && s.connected })
	sdk := sdks[i]
	c, consumer := sdk.start(t, at, ""), sdk.start(t, at, "")
	const service = "api"
	of := func(op string) args { return args{Op: op, Service: service} }
	ips := func(list []host) (out []string) {
		for _, h := range list {
			out = append(out, fmt.Sprintf("%s %g %s", h.IP, h.Weight, h.Metadata["k"]))
		}
		slices.Sort(out)
		return out
	}
	// pushed waits for a push with these instances.
	pushed := func(want ...string) {
		t.Helper()
		for deadline := time.After(5 * time.Second); ; {
			select {
			case p := <-consumer.pushes:
				if slices.Equal(ips(p.Hosts), want) {
					return
				}
			case <-deadline:
				t.Fatalf("no push with %q", want)
			}
		}
	}

	// A method that a later release adds has to be called here too.
	called := []string{"BatchRegisterInstance", "CloseClient", "DeregisterInstance", "GetAllServicesInfo", "GetService", "RegisterInstance",
		"SelectAllInstances", "SelectInstances", "SelectOneHealthyInstance", "ServerHealthy", "Subscribe", "Unsubscribe", "UpdateInstance"}
	if got := c.must(args{Op: "methods"}).Methods; !slices.Equal(got, called) {
		t.Errorf("methods %q, called are %q", got, called)
	}

	if !c.must(args{Op: "healthy"}).Serves {
		t.Error("the server is not healthy")
	}
	a := register(service, "10.3.0.1")
	a.Metadata = map[string]string{"k": "v"}
	c.must(a)
	consumer.must(of("subscribe"))
	pushed("10.3.0.1 1 v")

	a.Op, a.Weight, a.Metadata = "update", 3, map[string]string{"k": "w"}
	c.must(a)
	pushed("10.3.0.1 3 w")

	b := register(service, "")
	b.Op, b.IPs = "batch", []string{"10.3.0.2", "10.3.0.3"}
	c.must(b) // in place of what the client published before
	pushed("10.3.0.2 1 ", "10.3.0.3 1 ")
	eventually(t, time.Second, "listed by HTTP", func() bool { return at.all(t, "", group, service, count(2)) })

	s := consumer.must(of("service"))
	if len(s.Hosts) != 2 || s.Services[0] != group+"@@"+service || !s.Serves {
		t.Errorf("service: %+v", s)
	}
	if h := consumer.must(of("list")).Hosts; len(h) != 2 {
		t.Errorf("list: %+v", h)
	}
	if h := consumer.must(args{Op: "select", Service: service, Healthy: true}).Hosts; len(h) != 2 {
		t.Errorf("select: %+v", h)
	}
	if h := consumer.must(of("one")).Hosts; len(h) != 1 {
		t.Errorf("one: %+v", h)
	}
	if names := consumer.must(args{Op: "services"}).Services; !slices.Contains(names, service) {
		t.Errorf("services: %q", names)
	}
	consumer.must(of("unsubscribe"))

	// What an operator sets is kept apart from what the client says, which registers again.
	own := register(service+"-edited", "10.3.0.7")
	own.Metadata = map[string]string{"k": "client", "own": "yes"}
	c.must(own)
	set := url.Values{"serviceName": {own.Service}, "ip": {own.IP}, "port": {"8080"}, "weight": {"7"}, "enabled": {"true"}, "ephemeral": {"true"}, "metadata": {`{"k":"operator"}`}}
	req, err := http.NewRequest(http.MethodPut, "http://"+at[0]+"/nacos/v1/ns/instance?"+set.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("edit an instance: %v, %+v", err, resp)
	}
	own.Metadata["own"] = "still"
	c.must(own)
	if h := seen(t, at[0], "", group, own.Service); len(h) != 1 || h[0].Weight != 7 || h[0].Metadata["k"] != "operator" || h[0].Metadata["own"] != "still" {
		t.Errorf("an edited instance: %+v", h)
	}

	persistent := register(service+"-kept", "10.3.0.4")
	persistent.Ephemeral = false
	c.must(persistent)
	eventually(t, time.Second, "the persistent instance", func() bool { return at.all(t, "", group, service+"-kept", count(1)) })
	persistent.Op = "deregister"
	c.must(persistent)
	eventually(t, time.Second, "the persistent instance is gone", func() bool { return at.all(t, "", group, service+"-kept", count(0)) })

	gone := register(service, "10.3.0.2")
	gone.Op = "deregister"
	c.must(gone)
	consumer.must(register(service+"-last", "10.3.0.6"))
	consumer.must(args{Op: "close"})
	eventually(t, 5*time.Second, "what a closed client published is gone", func() bool { return at.all(t, "", group, service+"-last", count(0)) })
}

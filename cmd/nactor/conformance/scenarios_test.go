package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const group = "DEFAULT_GROUP"

func register(service, ip string) args {
	return args{Op: "register", Service: service, IP: ip, Port: 8080, Cluster: "DEFAULT", Weight: 1, Ephemeral: true, Enabled: true}
}

// each runs a scenario for every client.
func each(t *testing.T, scenario func(t *testing.T, s sdk)) {
	for _, s := range sdks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.skipIfShort(t)
			scenario(t, s)
		})
	}
}

// A test named after a version runs that version, not what a cache or a range of versions
// had at hand.
func TestVersion(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			// start, and each command after it, fails for another version.
			if got := s.start(t, at, "").must(args{Op: "services"}).SDK; s.name != s.language+"-"+got {
				t.Errorf("%s runs %s", s.name, got)
			}
		})
	})
}

// What is registered is listed with all it was registered with, by another client too.
func TestRegisterAndSelect(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			c := s.start(t, at, "")
			service := "fields-" + s.name
			a := register(service, "10.1.1.1")
			a.Weight, a.Metadata = 2.5, map[string]string{"zone": "a", "name": "größe 服务 <&>"}
			c.must(a)
			eventually(t, time.Second, "listed", func() bool { return at.all(t, "", group, service, count(1)) })
			h := c.must(args{Op: "list", Service: service}).Hosts
			if len(h) != 1 {
				t.Fatalf("hosts %+v", h)
			}
			if got := h[0]; got.IP != "10.1.1.1" || got.Port != 8080 || got.Cluster != "DEFAULT" || got.Weight != 2.5 || !got.Healthy || !got.Enabled ||
				got.Metadata["name"] != "größe 服务 <&>" || got.Metadata["zone"] != "a" {
				t.Errorf("%+v", got)
			}
			if names := c.must(args{Op: "services"}).Services; !slices.Contains(names, service) {
				t.Errorf("services: %v", names)
			}
			a.Op = "deregister"
			c.must(a)
			eventually(t, time.Second, "gone", func() bool { return at.all(t, "", group, service, count(0)) })
		})
	})
}

func TestClusters(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			c := s.start(t, at, "")
			service := "clusters-" + s.name
			for i, cluster := range []string{"a", "a", "b"} {
				a := register(service, fmt.Sprintf("10.1.2.%d", i))
				a.Cluster = cluster
				c.other(at, "").must(a)
			}
			for _, want := range []struct {
				clusters []string
				n        int
			}{{[]string{"a"}, 2}, {[]string{"b"}, 1}, {[]string{"a", "b"}, 3}} {
				if h := c.must(args{Op: "select", Service: service, Clusters: want.clusters, Healthy: true}).Hosts; len(h) != want.n {
					t.Errorf("clusters %v: %+v", want.clusters, h)
				}
			}
		})
	})
}

func TestDisabledIsHidden(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			c := s.start(t, at, "")
			service := "disabled-" + s.name
			c.must(register(service, "10.1.3.1"))
			off := register(service, "10.1.3.2")
			off.Enabled = false
			c.other(at, "").must(off)
			if h := c.must(args{Op: "select", Service: service, Healthy: true}).Hosts; len(h) != 1 || h[0].IP != "10.1.3.1" {
				t.Errorf("%+v", h)
			}
		})
	})
}

// Namespaces and groups do not see each other.
func TestIsolation(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			service := "isolated-" + s.name
			places := []struct{ namespace, group string }{{"", group}, {"tenant", group}, {"", "other"}}
			for i, p := range places {
				a := register(service, fmt.Sprintf("10.1.4.%d", i))
				a.Group = p.group
				s.start(t, at, p.namespace).must(a)
			}
			for i, p := range places {
				h := s.start(t, at, p.namespace).must(args{Op: "list", Service: service, Group: p.group}).Hosts
				if len(h) != 1 || h[0].IP != fmt.Sprintf("10.1.4.%d", i) {
					t.Errorf("%+v: %+v", p, h)
				}
			}
		})
	})
}

// pushLimit is how late a push may be. Clients poll every 10 s: what comes sooner was pushed.
const pushLimit = time.Second

func TestPush(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			subscriber, publisher := s.start(t, at, ""), s.start(t, at, "")
			second := publisher.other(at, "")
			service := "pushed-" + s.name
			publisher.must(register(service, "10.1.5.1"))
			subscriber.must(args{Op: "subscribe", Service: service})
			await := func(what string, since time.Time, want ...string) {
				t.Helper()
				for deadline := time.After(5 * time.Second); ; {
					select {
					case p := <-subscriber.pushes:
						var ips []string
						for _, h := range p.Hosts {
							ips = append(ips, h.IP)
						}
						slices.Sort(ips)
						if !slices.Equal(ips, want) {
							continue
						}
						if took := p.at.Sub(since); !since.IsZero() {
							t.Logf("%s: pushed after %v", what, took.Round(time.Millisecond))
							if took > pushLimit {
								t.Errorf("%s: pushed after %v, limit %v", what, took, pushLimit)
							}
						}
						return
					case <-deadline:
						t.Fatalf("%s: no push with %v", what, want)
					}
				}
			}
			// The subscription has to be there before the change.
			await("first state", time.Time{}, "10.1.5.1")
			second.must(register(service, "10.1.5.2"))
			await("registration", time.Now(), "10.1.5.1", "10.1.5.2")
			a := register(service, "10.1.5.1")
			a.Op = "deregister"
			publisher.must(a)
			await("deregistration", time.Now(), "10.1.5.2")
		})
	})
}

// A client keeps its instance alive by itself; when it is killed the instance turns
// unhealthy after 15 s and goes after 30 s.
func TestBeats(t *testing.T) {
	at, _ := server(t)
	t.Run("sdk", func(t *testing.T) {
		each(t, func(t *testing.T, s sdk) {
			if s.connected {
				t.Skip("it sends no heartbeats")
			}
			c := s.start(t, at, "")
			service := "beats-" + s.name
			c.must(register(service, "10.1.6.1"))
			for end := time.Now().Add(33 * time.Second); time.Now().Before(end); {
				for _, addr := range at {
					h := seen(t, addr, "", group, service)
					if len(h) != 1 || !h[0].Healthy {
						t.Fatalf("%s, %v before the end of 33 s: %+v", addr, time.Until(end), h)
					}
				}
				eventually(t, time.Second, "tick", tick(200*time.Millisecond))
			}
			c.kill()
			killed := time.Now()
			eventually(t, 25*time.Second, "unhealthy", func() bool {
				return at.all(t, "", group, service, func(h []host) bool { return len(h) == 1 && !h[0].Healthy })
			})
			unhealthy := time.Since(killed)
			eventually(t, 25*time.Second, "gone", func() bool { return at.all(t, "", group, service, count(0)) })
			gone := time.Since(killed)
			t.Logf("unhealthy %.1f s and gone %.1f s after the kill (the last beat was up to 5 s before)", unhealthy.Seconds(), gone.Seconds())
			if unhealthy < 9*time.Second || unhealthy > 16*time.Second || gone < 24*time.Second || gone > 31*time.Second || gone-unhealthy < 14*time.Second || gone-unhealthy > 16*time.Second {
				t.Errorf("unhealthy after %v, gone after %v", unhealthy, gone)
			}
		})
	})
}

func tick(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

// A persistent instance survives kill -9 of the server; an ephemeral one comes back by
// itself, from its client's beats.
func TestServerRestart(t *testing.T) {
	at, own := server(t)
	if own == nil {
		t.Skip("NACTOR_ADDR is not ours to restart")
	}
	var ready []sdk
	t.Run("before", func(t2 *testing.T) {
		for _, s := range sdks {
			t2.Run(s.name, func(t3 *testing.T) {
				s.skipIfShort(t3)
				if _, err := s.prepare(); err != nil {
					s.start(t3, at, "") // skips, or fails
				}
				c := s.start(t, at, "") // until the end of the whole test
				persistent := register("restart-persistent-"+s.name, "10.1.7.1")
				persistent.Ephemeral = false
				c.must(persistent)
				c.must(register("restart-ephemeral-"+s.name, "10.1.7.2"))
				ready = append(ready, s)
			})
		}
	})
	own.Kill()
	again := own.Restart()
	addr := at[0]
	if again.Addr != addr {
		t.Fatalf("restarted on %s, was %s", again.Addr, addr)
	}
	for _, s := range ready {
		if h := seen(t, addr, "", group, "restart-persistent-"+s.name); len(h) != 1 || h[0].IP != "10.1.7.1" {
			t.Errorf("%s: the persistent instance after the restart: %+v", s.name, h)
		}
		limit := 15 * time.Second
		if s.language == "rust" || s.language == "python" { // they look every 5 s, and wait longer before each try
			limit = time.Minute
		}
		took := eventually(t, limit, s.name+": the ephemeral instance is back", func() bool {
			h := seen(t, addr, "", group, "restart-ephemeral-"+s.name)
			return len(h) == 1 && h[0].Healthy
		})
		t.Logf("%s: the ephemeral instance is back %v after the restart", s.name, took.Round(time.Millisecond))
	}
}

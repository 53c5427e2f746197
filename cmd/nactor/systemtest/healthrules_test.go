package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// checked is what is asked how it is, and when.
type checked struct {
	*httptest.Server
	port   int
	answer func(http.ResponseWriter, *http.Request)

	mu sync.Mutex
	at []time.Time
	by string // the user agent
}

// newChecked starts one that answers like this.
func newChecked(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *checked {
	c := &checked{answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.at, c.by = append(c.at, time.Now()), r.UserAgent()
		answer := c.answer
		c.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(c.Close)
	c.port = portOf(t, c.Server)
	return c
}

// becomes has it answer in another way, and forget who asked.
func (c *checked) becomes(answer func(http.ResponseWriter, *http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer, c.at, c.by = answer, nil, ""
}

// asked returns when it was.
func (c *checked) asked() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at)
}

// askedBy returns the user agent of the last check.
func (c *checked) askedBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by
}

// gaps returns the times between the checks.
func (c *checked) gaps() (gaps []time.Duration) {
	at := c.asked()
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i].Sub(at[i-1]))
	}
	return gaps
}

// says answers with a status.
func says(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}
}

// keepsSilent answers when it is too late.
func keepsSilent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// watch registers an instance of a service whose instances are checked over HTTP.
func (c *client) watch(service string, port int) {
	c.t.Helper()
	c.must(http.MethodPost, "/nacos/v1/ns/service", url.Values{"serviceName": {service}})
	c.setCluster(service, 80, true, `{"type":"HTTP","path":"/","headers":""}`)
	c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {service}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(port)}, "ephemeral": {"false"}})
}

// The time between the checks follows how long they take, by Nacos's figures for HTTP: 0.85 of
// what it was and 0.15 of what a check took, which counts as 5 s for a hard failure; at least
// 500 ms. The first is made after 2 to 7 s.
func TestHealthIntervals(t *testing.T) {
	t.Parallel()
	c := newClient(t, proctest.Start(t, t.TempDir()).Addr)
	sound, broken := newChecked(t, says(200)), newChecked(t, says(404))
	began := time.Now()
	c.watch("sound", sound.port)
	c.watch("broken", broken.port)
	eventually(t, 60*time.Second, "eight checks of each", func() bool { return len(sound.gaps()) >= 7 && len(broken.gaps()) >= 7 })
	for name, s := range map[string]*checked{"sound": sound, "broken": broken} {
		first, gaps := s.asked()[0].Sub(began), s.gaps()
		if agent := s.askedBy(); agent != "VIPServer" {
			t.Errorf("%s: checked by %q", name, agent)
		}
		if first < 1900*time.Millisecond || first > 10*time.Second {
			t.Errorf("%s: checked after %v", name, first)
		}
		took := 0.0
		if s == broken {
			took = 5
		}
		misfits := 0
		for i := 1; i < 7; i++ {
			want := max(0.5, 0.85*gaps[i-1].Seconds()+0.15*took)
			if got := gaps[i].Seconds(); got < want*0.9-0.05 || got > want*1.1+0.05 {
				misfits++
			}
		}
		if misfits > 2 { // a machine that stands still for a moment makes two
			t.Errorf("%s: the times between checks are %v", name, gaps)
		}
	}
}

// A failure that says enough counts at once, one that may pass the third time, as does what
// is well again. A redirect is a failure and is not followed.
func TestHealthFlips(t *testing.T) {
	t.Parallel()
	c := newClient(t, proctest.Start(t, t.TempDir()).Addr)
	c.setSwitch("batch", quick)
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		checks int
	}{
		{"not-found", says(http.StatusNotFound), 1},
		{"error", says(http.StatusInternalServerError), 1},
		{"busy", says(http.StatusServiceUnavailable), 3},
		{"redirect", says(http.StatusFound), 3},
		{"silent", keepsSilent, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, c.addr)
			s := newChecked(t, tt.answer)
			c.watch(tt.name, s.port)
			flips := func(healthy bool, checks int) {
				t.Helper()
				late := 0 // checks that had been made when it had not changed yet
				eventually(t, 30*time.Second, fmt.Sprintf("healthy: %v", healthy), func() bool {
					n := len(s.asked())
					if c.healthOf(tt.name, s.port) == healthy {
						return true
					}
					late = n
					return false
				})
				if n := len(s.asked()); n < checks || late > checks+1 { // one may be on its way
					t.Errorf("healthy: %v after %d to %d checks, want %d", healthy, late, n, checks)
				}
			}
			flips(false, tt.checks)
			s.becomes(says(http.StatusOK))
			flips(true, 3)
		})
	}
}

// In a cluster one node checks an instance, all show the result, and when that node dies
// another one goes on. Neither disabled instances nor heartbeats nor time change anything.
func TestHealthChecksOfACluster(t *testing.T) {
	t.Parallel()
	trio := startTrio(t, "--set", "nactor.upgrade.check-interval=500")
	c := trio.clients[0]
	c.setSwitch("batch", quick)
	s, disabled := newChecked(t, says(http.StatusOK)), newChecked(t, says(http.StatusOK))
	c.watch("checked", s.port)
	c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"checked"}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(disabled.port)}, "ephemeral": {"false"}, "enabled": {"false"}})
	eventually(t, 20*time.Second, "ten checks", func() bool { return len(s.gaps()) >= 10 })
	gaps := s.gaps()
	var sum time.Duration
	for _, g := range gaps {
		sum += g
	}
	if mean := sum / time.Duration(len(gaps)); mean < 400*time.Millisecond {
		t.Errorf("checked every %v by all nodes together: %v", mean, gaps)
	}

	s.becomes(says(http.StatusNotFound))
	trio.everywhere("unhealthy", func(c *client) bool { return !c.healthOf("checked", s.port) })

	var owner struct{ ResponsibleServer string }
	if err := json.Unmarshal([]byte(c.must(http.MethodGet, "/nacos/v1/ns/operator/distro/server", url.Values{"serviceName": {"checked"}})), &owner); err != nil {
		t.Fatal(err)
	}
	var left []*client
	for i, n := range trio.nodes {
		if n.Addr == owner.ResponsibleServer {
			n.Kill()
		} else {
			left = append(left, trio.clients[i])
		}
	}
	if len(left) != 2 {
		t.Fatalf("%q is no node", owner.ResponsibleServer)
	}
	s.becomes(says(http.StatusOK))
	for _, c := range left {
		eventually(t, 20*time.Second, "healthy again, as the next node finds", func() bool { return c.healthOf("checked", s.port) })
	}
	if n := len(disabled.asked()); n > 0 {
		t.Errorf("a disabled instance was checked %d times", n)
	}
}

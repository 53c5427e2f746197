package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nactor/naming/upgrade/switchover"
)

// upgrading is a server that tells where an upgrade stands.
type upgrading struct {
	*httptest.Server
	says  atomic.Pointer[switchover.Explanation]
	asked atomic.Int64
}

func startUpgrading(t *testing.T, e switchover.Explanation) *upgrading {
	u := &upgrading{}
	u.says.Store(&e)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.asked.Add(1)
		if r.URL.Path != "/nacos/v1/ns/upgrade/ops/explain" {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(u.says.Load()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upgrading) addr() string { return strings.TrimPrefix(u.URL, "http://") }

func explained(phase switchover.Phase, mode switchover.Mode, members ...switchover.MemberExplanation) switchover.Explanation {
	return switchover.Explanation{State: switchover.State{Mode: mode, Epoch: 1, DoubleWrite: true}, Phase: phase, Members: members}
}

func member(addr, status string, ready bool) switchover.MemberExplanation {
	return switchover.MemberExplanation{Address: addr, Status: status, Ready: &ready}
}

func TestUpgradeStatus(t *testing.T) {
	u := startUpgrading(t, explained(switchover.Waiting, switchover.V1, member("a:1", "alive", true), member("b:1", "failed", true), member("c:1", "alive", false)))
	code, stdout, stderr := runHere("upgrade", "status", "--server", u.addr())
	// The last word of a node that is away is not counted.
	if code != 0 || !strings.Contains(stdout, "  1 of 3 members ready\n") || !strings.Contains(squeeze(stdout), "b:1 - failed - ") {
		t.Error(code, stdout, stderr)
	}
	code, stdout, stderr = runHere("upgrade", "status", "--server", u.addr(), "--json")
	var e switchover.Explanation
	if err := json.Unmarshal([]byte(stdout), &e); code != 0 || err != nil || len(e.Members) != 3 || e.Mode != switchover.V1 {
		t.Error(code, err, stdout, stderr)
	}
	closed := explained(switchover.Closed, switchover.V2, member("a:1", "alive", false))
	u.says.Store(&closed)
	if code, stdout, _ = runHere("upgrade", "status", "--server", u.addr()); code != 0 || strings.Contains(stdout, "ready\n") || !strings.Contains(stdout, "there is nothing to do") {
		t.Error(code, stdout)
	}
}

func TestUpgradeWait(t *testing.T) {
	u := startUpgrading(t, explained(switchover.Switching, switchover.V2, member("a:1", "alive", true)))
	wait := []string{"upgrade", "status", "--server", u.addr(), "--wait", "v2", "--timeout"}
	code, stdout, stderr := runHere(append(wait, "1ms")...)
	if code != exitFailure || !strings.Contains(stderr, "the cluster does not go by v2 after 1ms") {
		t.Error(code, stdout, stderr)
	}
	done := explained(switchover.Done, switchover.V2, member("a:1", "alive", true))
	before := u.asked.Load()
	go func() {
		for u.asked.Load() < before+2 {
			time.Sleep(time.Millisecond)
		}
		u.says.Store(&done)
	}()
	if code, stdout, stderr = runHere(append(wait, "30s")...); code != 0 || !strings.Contains(stdout, "done") {
		t.Error(code, stdout, stderr)
	}
	u.Close()
	if code, _, stderr = runHere(append(wait, "300ms")...); code != exitFailure || !strings.Contains(stderr, "connection refused") {
		t.Error(code, stderr)
	}
}

// The server that a watch began with may be the one that is being replaced.
func TestWatchGoesOnWithOthers(t *testing.T) {
	other := startUpgrading(t, explained(switchover.Done, switchover.V2))
	first := startUpgrading(t, explained(switchover.Waiting, switchover.V1))
	both := explained(switchover.Waiting, switchover.V1, member(first.addr(), "alive", true), member(other.addr(), "alive", true), member("192.0.2.1:1", "failed", true))
	first.says.Store(&both)
	w := watcher{server: &target{server: first.addr()}}
	at := time.Date(2026, 5, 4, 13, 1, 2, 0, time.Local)
	look := func(wants ...string) {
		t.Helper()
		at = at.Add(time.Second)
		text := string(w.look(t.Context(), at))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	look("13:01:03\n", "2 of 3 members ready")
	first.Close()
	look("13:01:04  as "+other.addr()+" sees it: no answer from the server at "+first.addr(), "connection refused", "0 of 0 members ready")
	other.Close()
	look("13:01:05  no answer from the server at "+first.addr(), "no other member answers; as of 13:01:04\n", "0 of 0 members ready")
}

func TestFit(t *testing.T) {
	const text = "bar\n\nphase\nlong line\nlast\n"
	for _, tt := range []struct {
		width, height int
		want          string
	}{
		{80, 24, text},
		{80, 6, text},
		{80, 5, "bar\n\nphase\n… 2 more lines: nactor upgrade status\n"},
		{5, 6, "bar\n\nphase\nlong…\nlast\n"},
		{0, 0, text},
	} {
		if got := string(fit([]byte(text), tt.width, tt.height)); got != tt.want {
			t.Errorf("%d x %d: %q, want %q", tt.width, tt.height, got, tt.want)
		}
	}
}

package faulttest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// modes watches by which logic each node of 2.X goes, all the time.
type modes struct {
	history *history
	quit    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	samples []modeSample // in the order of their answers
}

// modeSample is what a node said of itself and of the cluster.
type modeSample struct {
	node      int
	call, ret instant
	upgraded  bool // it goes by 2.0
	epoch     int  // of the cluster, as it knows
	mode      string
	double    bool
}

const (
	modeEvery = 100 * time.Millisecond
	// together is how long nodes that hear each other may go by different logics.
	together = time.Second
)

func (c *cluster) watchModes() *modes {
	m := &modes{history: c.history, quit: make(chan struct{})}
	c.t.Cleanup(m.stop)
	for _, n := range c.nodes {
		m.watch(n)
	}
	return m
}

// watch follows a node. A node of 1.X, or one that is down, says nothing.
func (m *modes) watch(n *node) {
	m.wg.Go(func() {
		for pause(modeEvery, m.quit) {
			s := modeSample{node: n.id, call: m.history.now()}
			counts, err := n.api.counts()
			if err != nil {
				continue
			}
			s.ret, s.upgraded = m.history.now(), counts.Upgraded
			s.epoch = -1
			if x, err := n.api.explain(); err == nil && x.Mode != "" { // else: who is asked has just begun
				s.epoch, s.mode, s.double = x.Epoch, x.Mode, x.DoubleWrite
			}
			if n.old.Load() {
				continue
			}
			m.mu.Lock()
			m.samples = append(m.samples, s)
			m.mu.Unlock()
		}
	})
}

func (m *modes) stop() {
	select {
	case <-m.quit:
	default:
		close(m.quit)
	}
	m.wg.Wait()
}

// newest returns the largest epoch that any node has told.
func (m *modes) newest() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	epoch := 0
	for _, s := range m.samples {
		epoch = max(epoch, s.epoch)
	}
	return epoch
}

// verdict tells what was wrong: an epoch that went back or meant two things, nodes apart
// for too long. apart is for how long nodes were at most.
func (m *modes) verdict() (wrong []string, apart time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := map[int]modeSample{}
	said := map[int]string{}
	for _, s := range m.samples {
		if s.epoch < 0 {
			continue
		}
		if before, ok := last[s.node]; ok && s.epoch < before.epoch {
			wrong = append(wrong, fmt.Sprintf("node %d tells of epoch %d at %v and of %d at %v", s.node, before.epoch, before.ret, s.epoch, s.ret))
		}
		last[s.node] = s
		means := fmt.Sprintf("%s, double write %v", s.mode, s.double)
		if other, ok := said[s.epoch]; ok && other != means {
			wrong = append(wrong, fmt.Sprintf("epoch %d is %s, says node %d at %v; it was %s", s.epoch, means, s.node, s.ret, other))
		}
		said[s.epoch] = means
	}
	return append(wrong, m.splits(&apart)...), apart
}

// splits finds nodes that go by another logic than some other node did before, though they
// could have known.
func (m *modes) splits(apart *time.Duration) (wrong []string) {
	// The first node that is seen to go another way opens a gap. Each node that is seen on the
	// old way after that widens it.
	type change struct {
		at   instant
		node int
		to   bool
	}
	var open *change
	now, heard := map[int]bool{}, map[int]instant{}
	agreed := false // all that were heard of lately went the same way
	common := false
	for _, s := range m.samples {
		before, known := now[s.node]
		now[s.node], heard[s.node] = s.upgraded, s.ret
		maps.DeleteFunc(now, func(node int, _ bool) bool { return s.ret-heard[node] > together })
		switch {
		case open == nil && agreed && s.upgraded != common && known && before != s.upgraded:
			open = &change{s.ret, s.node, s.upgraded}
		case open != nil && s.upgraded != open.to && s.call > open.at:
			if m.excused(s, open.node) {
				break
			}
			gap := s.call - open.at
			*apart = max(*apart, gap)
			if gap > together {
				wrong = append(wrong, fmt.Sprintf("node %d is upgraded: %v at %v; node %d had changed at %v", s.node, s.upgraded, s.call, open.node, open.at))
			}
		}
		values := map[bool]bool{}
		for _, v := range now {
			values[v] = true
		}
		if agreed = len(values) == 1; agreed {
			common, open = s.upgraded, nil
		}
	}
	return slices.Compact(wrong)
}

// excused reports whether a node need not know what another one does: they do not hear each
// other, or it has only just come back.
func (m *modes) excused(s modeSample, other int) bool {
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	for i := range m.history.troubles {
		if tr := &m.history.troubles[i]; tr.parts(s.node, other) && tr.from <= s.ret && tr.to+modeSettle >= s.call {
			return true
		}
	}
	return slices.ContainsFunc(m.history.absences, func(a absence) bool {
		return (a.node == s.node || a.node == other) && a.from <= s.ret && a.to+modeEvery >= s.call
	})
}

// modeSettle is how long after nodes hear each other again they may go different ways.
const modeSettle = 2 * time.Second

// report notes the verdict in the table. epochs is how many decisions there were reasons for.
func (m *modes) report(t testing.TB, fault string, epochs int) {
	t.Helper()
	for end := time.Now().Add(modeSettle); m.newest() < epochs && time.Now().Before(end); {
		time.Sleep(modeEvery) // the last decision may be newer than the last sample
	}
	m.stop()
	wrong, apart := m.verdict()
	for _, s := range wrong[:min(len(wrong), maxSamples)] {
		t.Error(s)
	}
	results.expect(t, len(wrong) == 0, fault, "nodes go by different logics for at most", short(apart).String(), "≤ "+together.String())
	newest := m.newest()
	results.expect(t, newest == epochs, fault, "decisions of the cluster", fmt.Sprint(newest), fmt.Sprint(epochs))
}

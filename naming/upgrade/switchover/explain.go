package switchover

import (
	"time"

	"nactor/naming"
)

// Explanation tells people where the upgrade stands, and why.
type Explanation struct {
	State
	Phase    Phase               `json:"phase"`
	WaitsFor []string            `json:"waitsFor"`
	Members  []MemberExplanation `json:"members"`
}

// MemberExplanation is one member's part of an [Explanation].
type MemberExplanation struct {
	ID        string      `json:"id"`
	Address   string      `json:"address"`
	Version   string      `json:"version"`
	Status    string      `json:"status"`
	Ready     *bool       `json:"ready"` // null: it does not vote, or has not yet
	Mode      string      `json:"mode"`  // that it goes by; "" not known
	Epoch     uint64      `json:"epoch"` // of the last decision that it has followed
	ReportAge string      `json:"reportAge"`
	Reasons   []string    `json:"reasons"`
	Services  int         `json:"services"` // that it owns
	Pending   int         `json:"pending"`  // of them, with a double write that waits
	Oldest    string      `json:"oldestPending"`
	Differing []Differing `json:"differing"`
}

// Explain tells where the upgrade stands.
func (c *Coordinator) Explain(now naming.Instant) Explanation {
	e := Explanation{State: c.state, Phase: c.Phase(), WaitsFor: c.WaitsFor(now), Members: []MemberExplanation{}}
	if e.WaitsFor == nil {
		e.WaitsFor = []string{}
	}
	if e.Phase == Committing {
		e.WaitsFor = append(e.WaitsFor, "the store has not confirmed the last decision yet: "+c.cause)
	}
	if e.Phase == Switching && e.Mode == V2 { // the way to 2.0 waits for all that follow to 1.X
		for _, s := range c.behind() {
			e.WaitsFor = append(e.WaitsFor, s.Address+" has not followed the last decision yet")
		}
	}
	for _, s := range c.sorted() {
		m := MemberExplanation{ID: s.ID, Address: s.Address, Version: s.Version, Status: s.Status, Reasons: []string{}, Differing: []Differing{}}
		if r := s.report; r != nil {
			ready := r.Ready
			m.Ready, m.Mode, m.Epoch = &ready, r.Applied.Mode.String(), r.Applied.Epoch
			m.ReportAge, m.Oldest = short(now.Since(s.heard)), short(r.OldestPending)
			m.Reasons, m.Differing = append(m.Reasons, r.Reasons...), append(m.Differing, r.Differing...)
			m.Services, m.Pending = r.Services, r.Pending
		}
		e.Members = append(e.Members, m)
	}
	return e
}

func short(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

package switchover

import (
	"time"

	"nactor/naming"
)

// Member is a node that takes part, as the one who decides sees it.
type Member struct {
	ID, Address string
	Process     string // tells lives of a node apart
	Version     string // of Nacos, as it presents itself
	Status      string // for people
	Up          bool
}

// Report is what a member says of itself; its vote.
type Report struct {
	Node, Process string
	Applied       State  // what it goes by
	Round         uint64 // the question that it answers; 0: its own regular check
	Ready         bool
	Reasons       []string // why it is not ready
	Without1X     bool     // its property from.1x is false: it expects a new cluster without 1.X

	Services      int           // that it owns
	Pending       int           // of them, with a double write that waits
	OldestPending time.Duration // its age
	Differing     []Differing   // services whose structures differ; not all of them
}

// Differing is a service whose structures differ.
type Differing struct {
	Service     string   `json:"service"` // namespace##group@@name
	Differences []string `json:"differences"`
}

// Rules are the times that decisions go by.
type Rules struct {
	Check   time.Duration // between two regular reports of a member
	Steady  time.Duration // how long a 1.X member must be here before the cluster goes back for it
	Confirm time.Duration // how long the answers to a question may take
}

// DefaultRules are those of Nacos for the check; the others have none there.
func DefaultRules() Rules {
	return Rules{Check: 5 * time.Second, Steady: 2 * time.Second, Confirm: time.Second}
}

// rounds is how many regular reports in a row must say ready.
const rounds = 2

// fresh is how old the last report of a member may be.
func (r Rules) fresh() time.Duration { return 2*r.Check + r.Check/2 }

// seat is what is known of a member.
type seat struct {
	Member
	old      bool           // a 1.X member that is up
	oldSince naming.Instant // since when
	report   *Report
	heard    naming.Instant // when the report came
	streak   int            // regular reports in a row that said ready
	counted  naming.Instant // when the last of them came
	answered uint64         // last question it said ready to
}

// reset forgets that the member was ready.
func (s *seat) reset() { s.streak, s.answered = 0, 0 }

// count counts a regular report that says ready. One that comes too soon after the one
// before is that one once more, sent again or held up on the way. One that comes too late
// is not the next in a row: what the member would have said in between is not known.
func (s *seat) count(now naming.Instant, rules Rules) {
	switch gap := now.Since(s.counted); {
	case s.streak > 0 && gap < rules.Check/2:
		return
	case gap > rules.fresh():
		s.streak = 0
	}
	s.streak, s.counted = min(s.streak+1, rounds), now
}

func (s *seat) status() string {
	switch {
	case s.Status != "":
		return s.Status
	case s.Up:
		return "up"
	}
	return "down"
}

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
	oldSince naming.Instant // when it was first seen as a 1.X member that is up; zero: it is none
	report   *Report
	heard    naming.Instant // when the report came
	streak   int            // regular reports in a row that said ready
	answered uint64         // last question it said ready to
}

// take takes note of a report. One of another life, or that goes by another decision, is
// shown but says nothing about readiness.
func (s *seat) take(now naming.Instant, r *Report, epoch uint64) {
	s.report, s.heard = r, now
	switch {
	case !r.Ready || r.Applied.Epoch != epoch:
		s.streak, s.answered = 0, 0
	case r.Round != 0:
		s.answered = max(s.answered, r.Round)
	default:
		s.streak = min(s.streak+1, rounds)
	}
}

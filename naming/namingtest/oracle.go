package namingtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"nactor/naming"
)

// Oracle is a registry in one process: a map of services and a mutex. It implements
// [naming.Registry], [naming.Reader] and [naming.Subscriptions]; see [Oracle.Settings] for
// the rest. What Do has done is shown when it returns. Time stands still but for Advance.
type Oracle struct {
	make func(naming.Key) Machine

	mu       sync.Mutex
	now      naming.Instant
	rules    naming.Rules
	services map[naming.Key]*service
	subs     map[naming.Key][]subscription
	counter  uint64
	ledger   Ledger
	settings *settings
}

type service struct {
	Machine
	view *naming.View
}

// NewOracle returns an empty registry that serves the given structure.
func NewOracle(model Model) *Oracle {
	return NewOracleOf(func(key naming.Key) Machine { return model.New(key) })
}

// NewOracleOf returns an empty registry of services that are made by make.
func NewOracleOf(make func(naming.Key) Machine) *Oracle {
	return &Oracle{
		make: make, rules: naming.DefaultRules(), now: naming.Instant(time.Hour),
		services: map[naming.Key]*service{}, subs: map[naming.Key][]subscription{},
		ledger: Ledger{}, settings: newSettings(),
	}
}

// Do implements [naming.Registry].
func (o *Oracle) Do(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	if err := ctx.Err(); err != nil {
		return naming.Result{}, naming.Unavailable("request to service %s given up: %w", key.Grouped(), err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.services[key]
	if s == nil {
		s = &service{Machine: o.make(key)}
	}
	e := o.step(key, s, cmd)
	if s.view != nil {
		e.Result.Revision = s.view.Revision
	}
	return e.Result, e.Err
}

func (o *Oracle) step(key naming.Key, s *service, cmd naming.Command) naming.Effects {
	e := s.Step(naming.Env{Now: o.now, Rules: &o.rules}, cmd)
	o.ledger.Write(e.Records)
	switch {
	case e.Empty:
		delete(o.services, key)
	case e.Changed:
		o.counter++
		s.view = s.View(naming.Revision{Activation: 1, Counter: o.counter})
		o.services[key] = s
	}
	return e
}

// Now returns the present instant.
func (o *Oracle) Now() naming.Instant {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// SetRules changes the rules from now on.
func (o *Oracle) SetRules(r naming.Rules) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rules = r
}

// Advance lets d pass. Every service is ticked at each of its deadlines on the way, as its
// owner would.
func (o *Oracle) Advance(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := o.now.Add(d)
	for _, key := range o.keys() {
		s := o.services[key]
		for {
			due, ok := s.Deadline()
			if !ok || due > end {
				break
			}
			o.now = max(o.now, due)
			o.step(key, s, naming.Tick{})
			if next, ok := s.Deadline(); ok && next <= o.now {
				panic(fmt.Sprintf("service %s: a tick at %v leaves the deadline at %v", key, o.now, next))
			}
		}
		o.now = end.Add(-d)
	}
	o.now = end
}

func (o *Oracle) keys() []naming.Key {
	keys := make([]naming.Key, 0, len(o.services))
	for k := range o.services {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, naming.Key.Compare)
	return keys
}

// Saved returns what a store would hold of a service now.
func (o *Oracle) Saved(key naming.Key) naming.Saved {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ledger.Saved(key)
}

// View implements [naming.Reader].
func (o *Oracle) View(key naming.Key) *naming.View {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.services[key]; s != nil {
		return s.view
	}
	return nil
}

// Services implements [naming.Reader].
func (o *Oracle) Services(namespace string) []naming.Key {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(o.keys(), func(k naming.Key) bool { return k.Namespace != namespace })
}

// Namespaces implements [naming.Reader].
func (o *Oracle) Namespaces() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var names []string
	for _, k := range o.keys() {
		names = append(names, k.Namespace)
	}
	return slices.Compact(names)
}

// Counts implements [naming.Reader].
func (o *Oracle) Counts() naming.Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := naming.Counts{Services: len(o.services)}
	for _, s := range o.services {
		c.Instances += s.Len()
	}
	for key := range o.subs {
		c.Subscribers += len(o.live(key))
	}
	return c
}

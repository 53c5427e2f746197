package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Settings keeps switches and namespaces in a store, and their newest state in memory for
// reading. Changes of this node go one after the other; one that another node made comes
// into force here when this node has it. It implements [naming.Settings]; its methods
// answer kind [naming.KindUnavailable] when ctx ends or the store refuses.
type Settings struct {
	log      recordLog
	turn     chan struct{} // held by the change at work
	onChange []func(*naming.Switches)

	sum    uint64           // of the stored switches; guarded by turn
	stored *naming.Switches // as of sum
	debug  [][2]string      // what was set for this node only, in order; guarded by turn

	switches   atomic.Pointer[naming.Switches]
	namespaces atomic.Pointer[[]naming.Namespace]
}

// recordLog is where changes become durable, and can be read.
type recordLog interface {
	submit(changes batch, done func(error))
	view(func(*bbolt.Tx) error) error
}

var _ naming.Settings = (*Settings)(nil)

// Settings reads the settings. onChange is called with the switches that came into force,
// one call at a time, before the change is acknowledged; it must not change settings.
func (b *Bolt) Settings(onChange ...func(*naming.Switches)) (*Settings, error) {
	s, err := newSettings(b, onChange)
	if err != nil {
		return nil, fmt.Errorf("read the settings from %s: %w", b.path, err)
	}
	return s, nil
}

func newSettings(log recordLog, onChange []func(*naming.Switches)) (*Settings, error) {
	s := &Settings{log: log, turn: make(chan struct{}, 1)}
	if err := s.load(true); err != nil {
		return nil, err
	}
	s.onChange = onChange
	return s, nil
}

// load makes what is stored the state in memory. The switches are published when they
// differ from what was stored, or always. The turn is held.
func (s *Settings) load(always bool) error {
	var switches *naming.Switches
	var sum uint64
	namespaces := []naming.Namespace{}
	if err := s.log.view(func(tx *bbolt.Tx) (err error) {
		if switches, err = storedSwitches(tx); err != nil {
			return err
		}
		sum = expectation(tx, bucketSettings, keySwitches).sum
		return tx.Bucket(bucketNamespaces).ForEach(func(k, v []byte) error {
			var r namespaceRecord
			if err := decode(bucketNamespaces, k, v, &r); err != nil {
				return err
			}
			namespaces = append(namespaces, naming.Namespace{ID: string(k), Name: r.Name, Description: r.Description})
			return nil
		})
	}); err != nil {
		return err
	}
	s.namespaces.Store(&namespaces)
	if sum == s.sum && !always {
		return nil
	}
	before := s.stored
	s.sum, s.stored = sum, switches
	s.debug = slices.DeleteFunc(s.debug, func(d [2]string) bool {
		hides, err := before.Hides(switches, d[0], d[1])
		return hides || err != nil
	})
	for _, d := range s.debug {
		changed, err := switches.Set(d[0], d[1])
		if err != nil {
			return err
		}
		switches = changed
	}
	s.publish(switches)
	return nil
}

// storedSwitches reads the switches over the defaults: one that the writer did not know
// has its default.
func storedSwitches(tx *bbolt.Tx) (*naming.Switches, error) {
	switches := naming.DefaultSwitches()
	if v := tx.Bucket(bucketSettings).Get(keySwitches); v != nil {
		if err := decode(bucketSettings, keySwitches, v, switches); err != nil {
			return nil, err
		}
	}
	return switches, nil
}

func (s *Settings) publish(switches *naming.Switches) {
	s.switches.Store(switches)
	for _, f := range s.onChange {
		f(switches)
	}
}

// reload takes over what another node changed. It waits for this node's own change.
func (s *Settings) reload(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.end(s.load(false))
}

// Switches implements [naming.Settings].
func (s *Settings) Switches() *naming.Switches { return s.switches.Load() }

// SetSwitch implements [naming.Settings]. What debug set stays this node's until its end,
// or until the same is set for all: a later durable change does not write it down.
func (s *Settings) SetSwitch(ctx context.Context, entry, value string, debug bool) error {
	if debug {
		if err := s.begin(ctx); err != nil {
			return err
		}
		inForce, err := s.Switches().Set(entry, value)
		if err == nil {
			s.forget(entry)
			s.debug = append(s.debug, [2]string{entry, value})
			s.publish(inForce)
		}
		return s.end(err)
	}
	return s.change(ctx, func(tx *bbolt.Tx) (*change, error) {
		saved, err := storedSwitches(tx)
		if err == nil {
			saved, err = saved.Set(entry, value)
		}
		if err != nil {
			return nil, err
		}
		payload, err := marshal(saved)
		if err != nil {
			return nil, naming.Invalid("the switches cannot be stored: %w", err)
		}
		return &change{bucketSettings, keySwitches, payload}, nil
	}, func() { s.forget(entry) })
}

// forget ends what debug set of an entry. What it hides of another is found out by load.
func (s *Settings) forget(entry string) {
	s.debug = slices.DeleteFunc(s.debug, func(d [2]string) bool { return d[0] == entry })
}

// Namespaces implements [naming.Settings].
func (s *Settings) Namespaces() []naming.Namespace { return *s.namespaces.Load() }

// begin waits for the changes before this one.
func (s *Settings) begin(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return naming.Unavailable("another change of the settings is being written: %w; nothing was changed, try again", ctx.Err())
	}
}

func (s *Settings) end(err error) error {
	<-s.turn
	return err
}

// change makes one change durable, publishes it and ends its turn. All of that happens
// also when the caller's time is over: memory must not differ from the disk. compute makes
// the change from what is stored; nil: there is nothing to do. written is called once it is.
func (s *Settings) change(ctx context.Context, compute func(*bbolt.Tx) (*change, error), written func()) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	published := make(chan error, 1)
	go func() { published <- s.end(s.attempt(ctx, compute, written)) }()
	select {
	case err := <-published:
		return err
	case <-ctx.Done():
		return naming.Unavailable("the change was not written in time: %w; it may still take effect", ctx.Err())
	}
}

// maxAttempts bounds how often a change is computed again because another node was first.
const maxAttempts = 32

func (s *Settings) attempt(ctx context.Context, compute func(*bbolt.Tx) (*change, error), written func()) error {
	for range maxAttempts {
		var b batch
		if err := s.log.view(func(tx *bbolt.Tx) error {
			c, err := compute(tx)
			if c != nil {
				b = batch{[]change{*c}, []expect{expectation(tx, c.bucket, c.key)}}
			}
			return err
		}); err != nil || b.changes == nil {
			return err
		}
		err := submitAndWait(s.log, b)
		switch {
		case err == nil:
			written()
			return s.load(true)
		case !errors.Is(err, ErrConflict):
			return err
		case ctx.Err() != nil:
			return naming.Unavailable("other nodes change the settings too: %w; nothing was changed, try again", ctx.Err())
		}
	}
	return naming.Unavailable("other nodes change the settings all the time: nothing was changed, try again")
}

// submitAndWait returns when a batch is durable. A log answers in bounded time.
func submitAndWait(log recordLog, b batch) error {
	written := make(chan error, 1)
	log.submit(b, func(err error) { written <- err })
	return <-written
}

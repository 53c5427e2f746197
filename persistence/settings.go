package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Settings keeps switches and namespaces in a store, and their newest state in memory for
// reading. Changes go one after the other. It implements [naming.Settings]; its methods
// answer kind [naming.KindUnavailable] when ctx ends or the store refuses.
type Settings struct {
	log      submitter
	turn     chan struct{} // held by the change at work
	onChange []func(*naming.Switches)

	saved      *naming.Switches // what is in the store; guarded by turn
	switches   atomic.Pointer[naming.Switches]
	namespaces atomic.Pointer[[]naming.Namespace]
}

// submitter makes changes durable, as [Bolt] does.
type submitter interface {
	submit(changes []change, done func(error))
}

var _ naming.Settings = (*Settings)(nil)

// Settings reads the settings. onChange is called with the switches that came into force,
// one call at a time, before the change is acknowledged; it must not change settings.
func (b *Bolt) Settings(onChange ...func(*naming.Switches)) (*Settings, error) {
	s := &Settings{log: b, turn: make(chan struct{}, 1), onChange: onChange, saved: naming.DefaultSwitches()}
	var namespaces []naming.Namespace
	err := b.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(bucketSettings).Get(keySwitches); v != nil {
			// Over the defaults: a switch that the writer did not know has its default.
			if err := decode(bucketSettings, keySwitches, v, s.saved); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketNamespaces).ForEach(func(k, v []byte) error {
			var r namespaceRecord
			if err := decode(bucketNamespaces, k, v, &r); err != nil {
				return err
			}
			namespaces = append(namespaces, naming.Namespace{ID: string(k), Name: r.Name, Description: r.Description})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the settings from %s: %w", b.path, err)
	}
	s.switches.Store(s.saved)
	s.namespaces.Store(&namespaces)
	return s, nil
}

// Switches implements [naming.Settings].
func (s *Settings) Switches() *naming.Switches { return s.switches.Load() }

// SetSwitch implements [naming.Settings]. What debug set stays this node's until its end:
// a later durable change does not write it down.
func (s *Settings) SetSwitch(ctx context.Context, entry, value string, debug bool) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	inForce, err := s.Switches().Set(entry, value)
	if err != nil {
		return s.end(err)
	}
	publish := func() {
		s.switches.Store(inForce)
		for _, f := range s.onChange {
			f(inForce)
		}
	}
	if debug {
		publish()
		return s.end(nil)
	}
	saved, err := s.saved.Set(entry, value)
	if err != nil {
		return s.end(err)
	}
	payload, err := marshal(saved)
	if err != nil {
		return s.end(naming.Invalid("the switches cannot be stored: %w", err))
	}
	return s.commit(ctx, change{bucketSettings, keySwitches, payload}, func() {
		s.saved = saved
		publish()
	})
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

// commit makes a change durable, then publishes it and ends its turn. All of that happens
// also when the caller's time is over: memory must not differ from the disk.
func (s *Settings) commit(ctx context.Context, c change, publish func()) error {
	written, published := make(chan error, 1), make(chan error, 1)
	s.log.submit([]change{c}, func(err error) { written <- err })
	go func() { // not in done: publish may take its time, the committer has none
		err := <-written
		if err == nil {
			publish()
		}
		published <- s.end(err)
	}()
	select {
	case err := <-published:
		return err
	case <-ctx.Done():
		return naming.Unavailable("the change was not written in time: %w; it may still take effect", ctx.Err())
	}
}

func (s *Settings) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.Namespaces(), id, func(ns naming.Namespace, id string) int { return strings.Compare(ns.ID, id) })
}

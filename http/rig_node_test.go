package http

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nactor/naming"
)

// settings are the registry seen as naming.Settings, which has a Namespaces of its own.
type settings struct{ f *registry }

func (s settings) Switches() *naming.Switches {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.switches
}

func (s settings) SetSwitch(_ context.Context, entry, value string, debug bool) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.fail != nil {
		return s.f.fail
	}
	next, err := s.f.switches.Set(entry, value)
	if err != nil {
		return err
	}
	s.f.switches = next
	s.f.set = append(s.f.set, fmt.Sprintf("%s=%s %t", entry, value, debug))
	return nil
}

func (s settings) Namespaces() []naming.Namespace {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.namespaces)
}

func (s settings) CreateNamespace(_ context.Context, ns naming.Namespace) (bool, error) {
	if _, taken := findNamespace(s.Namespaces(), ns.ID); taken {
		return false, nil
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.fail != nil {
		return false, s.f.fail
	}
	s.f.namespaces = append(s.f.namespaces, ns)
	return true, nil
}

func (s settings) UpdateNamespace(_ context.Context, ns naming.Namespace) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.fail != nil {
		return s.f.fail
	}
	for i := range s.f.namespaces {
		if s.f.namespaces[i].ID == ns.ID {
			s.f.namespaces[i] = ns
		}
	}
	return nil
}

func (s settings) RemoveNamespace(_ context.Context, id string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.fail != nil {
		return s.f.fail
	}
	s.f.namespaces = slices.DeleteFunc(s.f.namespaces, func(ns naming.Namespace) bool { return ns.ID == id })
	return nil
}

// node is the registry seen as Members and Inspector.
type node struct{ f *registry }

func (n node) Self() Member {
	ready := true
	return Member{IP: "10.0.0.1", Port: 8848, State: "UP", Version: "2.0.3", RaftPort: 7848, GRPC: true, LastRefresh: time.UnixMilli(1617892880057), ReadyToUpgrade: &ready,
		RaftGroups: []RaftGroup{{Name: "naming_persistent_service", Leader: "10.0.0.1:7848", Members: []string{"10.0.0.1:7848"}, Term: 1}}}
}

func (n node) Members() []Member {
	return []Member{n.Self(), {IP: "10.0.0.2", Port: 8848, State: "DOWN", RaftPort: 7848, FailedAccesses: 4, Version: "1.4.2"}}
}

func (n node) Store() StoreState {
	return StoreState{Role: "FOLLOWER", Leader: "10.0.0.2:8848", Term: 7}
}

func (n node) RemoveMembers(ctx context.Context, names []string) error {
	for _, name := range names {
		switch name {
		case "10.0.0.2:8848":
		case "10.0.0.1:8848":
			return naming.Invalid("10.0.0.1:8848 is the node that you ask: if it is to go, stop it and ask another")
		case "hung":
			<-ctx.Done()
			return naming.Unavailable("the removal is decided, and is carried out as soon as a majority of the other members answers: %w", ctx.Err())
		default:
			return naming.Invalid("no member is called %q; there are 10.0.0.1:8848, 10.0.0.2:8848", name)
		}
	}
	return nil
}

func (n node) Status() Status {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	return n.f.status
}

func (n node) Actors(_ context.Context, q ActorQuery) ([]Actor, int, error) {
	var out []Actor
	for _, a := range n.f.actors {
		if (q.Kind == "" || q.Kind == a.Kind) && (q.Node == "" || q.Node == a.Node) && strings.Contains(a.Identity, q.Name) {
			out = append(out, a.Actor)
		}
	}
	return pageOf(out, q.Page, q.Size), len(out), nil
}

func (n node) Actor(ctx context.Context, identity string) (ActorDetail, error) {
	for _, a := range n.f.actors {
		if a.Identity != identity {
			continue
		}
		if a.Mode == "hung" {
			<-ctx.Done()
			return ActorDetail{}, naming.Unavailable("service %s did not answer in time", identity)
		}
		return a, nil
	}
	return ActorDetail{}, naming.NotFound("service %s is not active", identity)
}

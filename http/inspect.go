package http

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nactor/naming"
)

// Inspector looks into the actors of the cluster.
type Inspector interface {
	// Actors returns a page of the actors that match, sorted by identity, and how many match
	// in all.
	Actors(ctx context.Context, q ActorQuery) (page []Actor, total int, err error)
	// Actor asks one actor about itself. Error kinds: naming.KindInvalid for a malformed
	// identity, naming.KindNotFound when it is not active, naming.KindUnavailable when it
	// did not answer before ctx ended.
	Actor(ctx context.Context, identity string) (ActorDetail, error)
}

// ActorQuery selects actors; empty strings match all.
type ActorQuery struct {
	Kind, Node string
	Name       string // part of the identity
	Page       int    // from 1
	Size       int    // 0 to 1000
}

// Actor is one line of the list of actors.
type Actor struct {
	Identity string `json:"identity"`
	Kind     string `json:"kind"`
	Node     string `json:"node"`
	PID      string `json:"pid"`
}

// ActorDetail is what an actor says about itself.
type ActorDetail struct {
	Actor
	Mode               string // structure that serves: v1 or v2
	Revision           naming.Revision
	V1Instances        int
	V2Instances        int
	PendingDoubleWrite int
	Mailbox            int64         // calls under way
	Handled            uint64        // messages in this life
	LastBeat           time.Duration // ago; negative: none in this life
}

// inspectTimeout bounds what an inspection may cost.
const inspectTimeout = 2 * time.Second

func (r *request) listActors() error {
	q := ActorQuery{
		Kind: r.name("kind", ""),
		Node: r.name("node", ""),
		Name: r.name("name", ""),
	}
	q.Page, q.Size = r.page(1, 50)
	if r.err != nil {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	list, total := []Actor{}, 0
	if r.s.cfg.Inspector != nil {
		page, n, err := r.s.cfg.Inspector.Actors(ctx, q)
		if err != nil {
			return err
		}
		list, total = append(list, page...), n
	}
	return r.result(struct {
		Count  int     `json:"count"`
		Actors []Actor `json:"actors"`
	}{total, list})
}

func (r *request) actorDetail() error {
	identity := r.requiredName("identity")
	if r.err != nil {
		return r.err
	}
	if r.s.cfg.Inspector == nil {
		return naming.NotFound("actor %s is not active", identity)
	}
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	a, err := r.s.cfg.Inspector.Actor(ctx, identity)
	if err != nil {
		return err
	}
	var ago *int64
	if a.LastBeat >= 0 {
		ms := a.LastBeat.Milliseconds()
		ago = &ms
	}
	return r.result(struct {
		Actor
		Mode               string `json:"mode"`
		Revision           string `json:"revision"`
		V1Instances        int    `json:"v1Instances"`
		V2Instances        int    `json:"v2Instances"`
		PendingDoubleWrite int    `json:"pendingDoubleWrite"`
		Mailbox            int64  `json:"mailbox"`
		Handled            uint64 `json:"handled"`
		LastBeat           *int64 `json:"lastBeatMillisAgo"`
	}{
		a.Actor, a.Mode, fmt.Sprintf("%d.%d", a.Revision.Activation, a.Revision.Counter),
		a.V1Instances, a.V2Instances, a.PendingDoubleWrite, a.Mailbox, a.Handled, ago,
	})
}

// result answers with v in the envelope of the core API.
func (r *request) result(v any) error {
	return r.marshal(struct {
		Code    int     `json:"code"`
		Message *string `json:"message"`
		Data    any     `json:"data"`
	}{200, nil, v})
}

// marshal answers with v as JSON, where reflection does no harm.
func (r *request) marshal(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("render an answer: %w", err)
	}
	r.json(append(r.begin(), b...))
	return nil
}

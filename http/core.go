package http

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nactor/naming/wire"
)

// inspectTime bounds a question to an actor.
const inspectTime = 2 * time.Second

// Member is a node as Nacos's cluster API shows it.
type Member struct {
	IP             string
	Port           int
	State          string // STARTING, UP, SUSPICIOUS, DOWN
	Version        string
	RaftPort       int
	LastRefresh    time.Time
	ReadyToUpgrade *bool // nil: not shown
}

// Address returns ip:port.
func (m Member) Address() string { return m.IP + ":" + strconv.Itoa(m.Port) }

// append renders a member as Nacos 2.0.3 does.
func (m Member) append(b []byte) []byte {
	b = wire.AppendString(append(b, `{"ip":`...), m.IP)
	b = strconv.AppendInt(append(b, `,"port":`...), int64(m.Port), 10)
	b = wire.AppendString(append(b, `,"state":`...), m.State)
	b = strconv.AppendInt(append(b, `,"extendInfo":{"lastRefreshTime":`...), m.LastRefresh.UnixMilli(), 10)
	b = wire.AppendString(append(b, `,"raftPort":`...), strconv.Itoa(m.RaftPort))
	if m.ReadyToUpgrade != nil {
		b = strconv.AppendBool(append(b, `,"readyToUpgrade":`...), *m.ReadyToUpgrade)
	}
	b = wire.AppendString(append(b, `,"version":`...), m.Version)
	b = wire.AppendString(append(b, `},"address":`...), m.Address())
	return append(b, `,"failAccessCnt":0,"abilities":{"remoteAbility":{"supportRemoteConnection":false},"configAbility":{"supportRemoteMetrics":false},"namingAbility":{"supportJraft":true}}}`...)
}

func result(data []byte) []byte {
	return append(append([]byte(`{"code":200,"message":null,"data":`), data...), '}')
}

func (r *request) nodes() error {
	keyword, err := r.optional("keyword", "")
	if err != nil {
		return err
	}
	members := slices.Clone(r.s.cfg.Node.Members())
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Address(), b.Address()) })
	b := []byte{'['}
	for _, m := range members {
		if !strings.HasPrefix(m.Address(), keyword) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = m.append(b)
	}
	r.json(result(append(b, ']')))
	return nil
}

func (r *request) self() error {
	r.json(result(r.s.cfg.Node.Members()[0].append(nil)))
	return nil
}

// ActorQuery selects actors; empty strings match all.
type ActorQuery struct {
	Kind, Node, Name string
	PageNo, PageSize int
}

// Actor is what is known of an active actor.
type Actor struct {
	Identity   string `json:"identity"`
	Kind       string `json:"kind"`
	Node       string `json:"node"`
	PID        string `json:"pid"`
	Mode       string `json:"mode"` // the structure in charge, v1 or v2
	V1Count    int    `json:"v1Instances"`
	V2Count    int    `json:"v2Instances"`
	Pending    int    `json:"pendingDoubleWrites"`
	Revision   string `json:"revision"`
	Mailbox    int64  `json:"mailbox"`
	LastBeat   *int64 `json:"lastBeatMillisAgo"` // null: none in this life
	Handled    uint64 `json:"handled"`
	Committing bool   `json:"committing"`
}

// within returns a context for requests that wait for something.
func (r *request) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), inspectTime)
}

func (r *request) actors() error {
	q := ActorQuery{}
	for name, to := range map[string]*string{"kind": &q.Kind, "node": &q.Node, "name": &q.Name} {
		v, err := r.optional(name, "")
		if err != nil {
			return err
		}
		*to = v
	}
	var err error
	if q.PageNo, err = r.optionalInt("pageNo", 1); err != nil {
		return err
	}
	if q.PageSize, err = r.optionalInt("pageSize", 50); err != nil {
		return err
	}
	q.PageSize = min(max(q.PageSize, 1), maxPage)
	q.PageNo = max(q.PageNo, 1)
	ctx, cancel := r.within()
	defer cancel()
	page, total, err := r.s.cfg.Node.Actors(ctx, q)
	if err != nil {
		return err
	}
	if page == nil {
		page = []Actor{}
	}
	b, err := json.Marshal(map[string]any{"count": total, "pageNo": q.PageNo, "pageSize": q.PageSize, "actors": page})
	if err != nil {
		return fmt.Errorf("render actors: %w", err)
	}
	r.json(b)
	return nil
}

func (r *request) actorDetail() error {
	identity, err := r.required("identity")
	if err != nil {
		return err
	}
	ctx, cancel := r.within()
	defer cancel()
	a, err := r.s.cfg.Node.Actor(ctx, identity)
	if err != nil {
		return err
	}
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("render actor %s: %w", identity, err)
	}
	r.json(b)
	return nil
}

package http

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
	"nactor/naming/wire"
)

func (r *request) showSwitches() error {
	return r.marshal(r.s.cfg.Settings.Switches())
}

func (r *request) setSwitch() error {
	debug := r.springBool("debug", false)
	entry, value := r.spring("entry"), r.spring("value")
	if r.err != nil {
		return r.err
	}
	if err := checkName("entry", []byte(entry)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), naming.MaxRequestTime)
	defer cancel()
	if err := r.s.cfg.Settings.SetSwitch(ctx, entry, value, debug); err != nil {
		return err
	}
	r.text("ok")
	return nil
}

func (r *request) operatorMetrics() error {
	only := !r.is142() // which tells all, but for subscribers
	if b := r.optional("onlyStatus"); len(b) > 0 && only {
		only = parseStrict(b)
	}
	b := wire.AppendString(append(r.begin(), `{"status":`...), r.s.status().State)
	if !only {
		n := r.s.cfg.Reader.Counts()
		b = strconv.AppendInt(append(b, `,"serviceCount":`...), int64(n.Services), 10)
		b = strconv.AppendInt(append(b, `,"instanceCount":`...), int64(n.Instances), 10)
		if !r.is142() {
			b = strconv.AppendInt(append(b, `,"subscribeCount":`...), int64(n.Subscribers), 10)
		}
		services, instances := r.s.own.counts(r.s.cfg.Upgrade)
		l := readLoad()
		b = strconv.AppendInt(append(b, `,"raftNotifyTaskCount":0,"responsibleServiceCount":`...), int64(services), 10)
		b = strconv.AppendInt(append(b, `,"responsibleInstanceCount":`...), int64(instances), 10)
		b = wire.AppendDouble(append(b, `,"cpu":`...), l.cpu)
		b = wire.AppendDouble(append(b, `,"load":`...), l.load)
		b = wire.AppendDouble(append(b, `,"mem":`...), l.mem)
	}
	r.json(append(b, '}'))
	return nil
}

// ownCounts are how much this node is responsible for of the 1.x structure, as in Nacos; 0
// where it is not kept. Clients ask for the state of the server all the time, and counting is
// a question to each service: it is done every 15 s, as in Nacos, and by one at a time. The
// others take the last count.
type ownCounts struct {
	counting sync.Mutex
	last     atomic.Pointer[ownCount]
}

type ownCount struct {
	at                  time.Time
	services, instances int
}

func (c *ownCounts) counts(u Upgrade) (services, instances int) {
	last := c.last.Load()
	switch {
	case last == nil:
		c.counting.Lock()
	case time.Since(last.at) < 15*time.Second || !c.counting.TryLock():
		return last.services, last.instances
	}
	defer c.counting.Unlock()
	if again := c.last.Load(); again != last {
		return again.services, again.instances
	}
	m := u.UpgradeMetrics()
	c.last.Store(&ownCount{time.Now(), m.OwnServices1, m.OwnInstances1})
	return m.OwnServices1, m.OwnInstances1
}

func (r *request) operatorServers() error {
	healthy := r.springBool("healthy", false)
	if r.err != nil {
		return r.err
	}
	list := r.s.members()
	if healthy {
		up := list[:0:0]
		for _, m := range list {
			if m.State == "UP" {
				up = append(up, m)
			}
		}
		list = up
	}
	b := appendMembers(append(r.begin(), `{"servers":`...), list)
	r.json(append(b, '}'))
	return nil
}

// clusterState answers as Nacos's old raft: the timers, which nothing here has, are 0.
func (r *request) clusterState() error {
	st := r.s.cfg.Members.Store()
	b := wire.AppendString(append(r.begin(), `{"ip":`...), r.s.cfg.Members.Self().Address())
	if st.Leader != "" {
		b = wire.AppendString(append(b, `,"voteFor":`...), st.Leader)
	}
	b = strconv.AppendUint(append(b, `,"term":`...), st.Term, 10)
	b = wire.AppendString(append(b, `,"leaderDueMs":0,"heartbeatDueMs":0,"state":`...), st.Role)
	r.json(append(b, '}'))
	return nil
}

// pushBase is what push/state counts from; reset moves it.
type pushBase struct {
	sync.Mutex
	sent, failed int64
}

func (r *request) pushState() error {
	detail, reset := r.springBool("detail", false), r.springBool("reset", false)
	if r.err != nil {
		return r.err
	}
	st := r.s.cfg.Pushes()
	base := &r.s.pushes
	base.Lock()
	total, failed := st.Sent-base.sent, st.Failed-base.failed
	if reset {
		base.sent, base.failed = st.Sent, st.Failed
	}
	base.Unlock()
	b := strconv.AppendInt(append(r.begin(), `{"succeed":`...), total-failed, 10)
	b = strconv.AppendInt(append(b, `,"total":`...), total, 10)
	b = append(b, `,"ratio":`...)
	if total > 0 {
		b = wire.AppendFloat(b, float64(total-failed)/float64(total))
	} else {
		b = append(b, '0')
	}
	if detail {
		b = strconv.AppendInt(append(b, `,"detail":{"avgPushCost":`...), cost(st.AvgCost, st.Sent), 10)
		b = strconv.AppendInt(append(b, `,"maxPushCost":`...), cost(st.MaxCost, st.Sent), 10)
		b = append(b, '}')
	}
	b = strconv.AppendBool(append(b, `,"reset":`...), reset)
	r.json(append(b, '}'))
	return nil
}

package dual

import (
	"nactor/naming"
	"nactor/naming/upgrade"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// pair is a service in every layout but 2.0 alone.
type pair struct {
	structure // that serves, one or two

	key    naming.Key
	layout Layout
	one    *v1.Service // nil: not kept
	two    *v2.Service // nil: not kept

	backlog  backlog
	compared bool // equal says whether the structures are, as they are now
	equal    bool

	fault func() // tests let a double write fail here
}

// serve makes the structure serve that the layout says.
func (p *pair) serve() {
	if p.layout.Serves == V1 {
		p.structure = p.one
	} else {
		p.structure = p.two
	}
}

// renew puts a structure that holds nothing in place of one.
func (p *pair) renew(s Structure) {
	if s == V1 {
		p.one = v1.New(p.key)
	} else {
		p.two = v2.New(p.key)
	}
	p.compared = false
}

// Step carries out a command on the structure that serves.
func (p *pair) Step(env naming.Env, cmd naming.Command) (e naming.Effects) {
	if _, ok := cmd.(naming.Tick); ok {
		return p.tick(env)
	}
	e = p.structure.Step(env, cmd)
	if e.Changed {
		p.took(env.Now, e.Events)
	}
	return e
}

// tick lets time pass for the structure that serves, and carries out the double write that
// is due. A tick that is only for the double write spares the instances a pass.
func (p *pair) tick(env naming.Env) (e naming.Effects) {
	owed := p.backlog.due(env.Now)
	if due, ok := p.structure.Deadline(); !owed || ok && due <= env.Now {
		e = p.structure.Step(env, naming.Tick{})
		if e.Changed {
			p.took(env.Now, e.Events)
		}
	}
	if owed {
		p.catchUp(env.Now)
	}
	e.Empty = !p.Exists()
	return e
}

// Deadline is that of the structure that serves or of the double write, whichever is first.
func (p *pair) Deadline() (naming.Instant, bool) {
	due, ok := p.structure.Deadline()
	if p.backlog.task.Pending() && (!ok || p.backlog.at < due) {
		return p.backlog.at, true
	}
	return due, ok
}

// Inherit merges what another owner knew.
func (p *pair) Inherit(env naming.Env, h naming.Heritage) naming.Effects {
	e := p.structure.Inherit(env, h)
	if e.Changed {
		p.took(env.Now, e.Events)
	}
	return e
}

// Credit takes over the later word on when the instances were last heard of.
func (p *pair) Credit(env naming.Env, h naming.Heritage) naming.Effects {
	e := p.structure.Credit(env, h)
	if e.Changed {
		p.took(env.Now, e.Events)
	}
	return e
}

// Reconcile takes over what the store holds.
func (p *pair) Reconcile(env naming.Env, saved naming.Saved) naming.Effects {
	e := p.structure.Reconcile(env, saved)
	if e.Changed {
		p.took(env.Now, e.Events)
	}
	return e
}

// took notes what the other structure has to catch up with.
func (p *pair) took(now naming.Instant, events []naming.Event) {
	if p.layout.DoubleWrite {
		p.compared = false
		p.backlog.add(upgrade.Plan(events), now, p.layout.Delay)
		if b := &p.backlog; b.repairs > 0 && b.attempts == 0 {
			b.at = min(b.at, now.Add(p.layout.Delay)) // repairs wait longer
		}
	}
}

// views returns what each structure shows; nil for a service that is not there.
func (p *pair) views() (one, two *naming.View) {
	if p.one != nil && p.one.Exists() {
		one = p.one.View(naming.Revision{})
	}
	if p.two != nil && p.two.Exists() {
		two = p.two.View(naming.Revision{})
	}
	return one, two
}

// inSync reports whether both structures have the same content. It looks once for each
// change.
func (p *pair) inSync() bool {
	if !p.compared {
		p.equal = upgrade.Equal(p.views())
		p.compared = true
	}
	return p.equal
}

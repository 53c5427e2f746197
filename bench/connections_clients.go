package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// register has each client publish an instance of a service of its own.
func (b *connectionsBench) register(ctx context.Context, clients []*Client) error {
	return each(ctx, len(clients), func(ctx context.Context, i int) error {
		return clients[i].Register(ctx, fmt.Sprintf("own-%d", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 80, "n", "1")
	})
}

// again has as many clients come, register, subscribe and go as before.
func (b *connectionsBench) again(ctx context.Context, addr string, before Usage) (Usage, error) {
	if err := b.subscribe(ctx); err != nil {
		return Usage{}, err
	}
	many, err := b.connect(ctx, 1, b.Connections, "connecting again")
	if err == nil {
		err = b.register(ctx, many)
	}
	if err != nil {
		return Usage{}, err
	}
	return b.leave(ctx, addr, before)
}

// connect connects clients to a node.
func (b *connectionsBench) connect(ctx context.Context, node, count int, what string) ([]*Client, error) {
	_, addr := b.node(node)
	out := make([]*Client, count)
	var done atomic.Int64
	err := each(ctx, count, func(ctx context.Context, i int) error {
		c, err := Connect(ctx, addr, b.pushes.told)
		if err != nil {
			return err
		}
		out[i] = c
		b.mu.Lock()
		b.clients = append(b.clients, c)
		b.mu.Unlock()
		if n := done.Add(1); n%500 == 0 {
			b.say("%s: %d of %d", what, n, count)
		}
		return nil
	})
	return out, err
}

// subscribe connects those who are pushed and those whose registrations are.
func (b *connectionsBench) subscribe(ctx context.Context) error {
	subscribers, err := b.connect(ctx, 1, b.Subscribers, "connecting subscribers")
	if err != nil {
		return err
	}
	err = each(ctx, b.Subscribers, func(ctx context.Context, i int) error {
		return errors.Join(subscribers[i].Subscribe(ctx, watched(i)), subscribers[i].Subscribe(ctx, common))
	})
	if err != nil {
		return err
	}
	b.publishers, err = b.connect(ctx, 0, publishers, "connecting publishers")
	return err
}

// measure measures how soon single subscribers are pushed.
func (b *connectionsBench) measure(ctx context.Context, name string) error {
	b.say("pushes: %s", name)
	services := make([]string, b.Subscribers)
	for i := range services {
		services[i] = watched(i)
	}
	return b.pushes.take(ctx, measurement{name: name, count: b.Changes, rate: b.Rate, each: 1, from: b.publishers, services: services, asked: true})
}

// fanOut measures how soon the last of many subscribers of one service are pushed.
func (b *connectionsBench) fanOut(ctx context.Context) error {
	const count, rate = 20, 2
	b.say("pushes: all subscribers of one service")
	return b.pushes.take(ctx, measurement{name: fmt.Sprintf("%d subscribers of one service", b.Subscribers), count: count, rate: rate,
		each: b.Subscribers, from: b.publishers[:1], services: []string{common}})
}

// overUDP measures how soon as many subscribers of 1.x are pushed, on the same node.
func (b *connectionsBench) overUDP(ctx context.Context) error {
	b.say("pushes: over UDP")
	seen := map[int64]bool{} // a new subscriber is told once more some time after it subscribed
	d, err := receive(func(service []byte) {
		if sent := sentIn(service); !seen[sent] {
			seen[sent] = true
			b.pushes.told(service)
		}
	})
	if err != nil {
		return err
	}
	defer d.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	there, _ := b.node(1)
	fleet := Fleet{Services: b.Subscribers, Instances: 1, Prefix: "over-udp"}
	if err := d.subscribe(ctx, there, fleet); err != nil {
		return err
	}
	services := make([]string, fleet.Services)
	for i := range services {
		services[i] = fleet.Name(i)
	}
	return b.pushes.take(ctx, measurement{name: fmt.Sprintf("%d subscribers of 1.x, over UDP", b.Subscribers), count: b.Changes, rate: b.Rate, each: 1,
		from: b.publishers, services: services, asked: true})
}

// live says for clients that they are there, as often as an idle SDK does, until ctx ends.
func (b *connectionsBench) live(ctx context.Context, clients []*Client) {
	t := time.NewTicker(healthEvery / 100)
	defer t.Stop()
	for part := 0; ; part++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for i := part % 100; i < len(clients); i += 100 {
			if clients[i].CheckHealth(ctx) != nil && ctx.Err() == nil {
				b.miss("a client that is alive was disconnected")
				return
			}
		}
	}
}

func (b *connectionsBench) miss(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missed = append(b.missed, fmt.Sprintf(format, args...))
}

// dismiss ends all clients, every second one without a word.
func (b *connectionsBench) dismiss() {
	b.mu.Lock()
	clients := b.clients
	b.clients = nil
	b.mu.Unlock()
	_ = each(context.Background(), len(clients), func(_ context.Context, i int) error {
		if i%2 == 0 {
			clients[i].Abort()
		} else {
			clients[i].Close()
		}
		return nil
	})
}

// leave ends all clients and returns what a node holds when their services are gone.
func (b *connectionsBench) leave(ctx context.Context, addr string, before Usage) (Usage, error) {
	b.say("all go")
	b.dismiss()
	err := await(ctx, askEvery, func() error {
		u, err := ReadUsage(ctx, addr)
		if err == nil && (u.Connections > 0 || u.Services > before.Services) {
			err = fmt.Errorf("%d connections and %d services are left", u.Connections, u.Services-before.Services)
		}
		return err
	})
	if err != nil {
		return Usage{}, err
	}
	return SettledUsage(ctx, addr)
}

// each does something count times, several at once. The first error ends it.
func each(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, count) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

package naming

import (
	"context"
	"net/netip"
	"time"
)

// Registry is the one way to change a service. Fronts hold it; they never decide which
// structure serves.
type Registry interface {
	// Do carries cmd to the owner of the service and returns its answer. When Do returns
	// without error the change is durable (if it is of a durable kind) and the [Reader] of
	// this node shows it. The registry keeps cmd: the caller must not reuse what it points to.
	//
	// Errors: kinds [KindInvalid], [KindRejected], [KindNotFound] when the rules refuse;
	// nothing was changed. [KindUnavailable] when the owner is overloaded, did not answer in
	// time (the command may still be applied), or the disk is full. [KindInternal] when the
	// owner failed while it was at work on the command.
	Do(ctx context.Context, key Key, cmd Command) (Result, error)
}

// Reader shows what this node knows. It never asks the owner and never blocks.
type Reader interface {
	// View returns the newest view of a service, or nil when the service is not known.
	View(key Key) *View
	// Services returns the keys of a namespace, sorted by group and name. The slice is
	// shared: do not modify it. A service that is in it may be gone when View is called.
	Services(namespace string) []Key
	// Namespaces returns the namespaces that have services, sorted.
	Namespaces() []string
	// Counts returns totals over all services.
	Counts() Counts
}

// Counts are totals over all services of a node's view.
type Counts struct{ Services, Instances, Subscribers int }

// Subscriptions is where a front announces a client that wants to be pushed.
type Subscriptions interface {
	// Subscribe records or refreshes a subscription: one per (address, service), the later
	// one wins. It lapses when it is not repeated ([Switches.SubscriptionTTL]).
	Subscribe(key Key, s Subscriber)
	// Subscribers returns the live subscriptions of a service, in no particular order.
	Subscribers(key Key) []Subscriber
}

// Subscriber is a client that is pushed: over UDP, or over the connection that it names.
type Subscriber struct {
	Addr     netip.AddrPort
	Agent    string // User-Agent of its list call
	App      string
	Clusters string // as given in the list call; echoed in the push

	Connection string // id; "": it is pushed over UDP
}

// Subscription is a subscriber and what it subscribes to.
type Subscription struct {
	Key Key
	Subscriber
}

// Audience tells who is subscribed (SubscribeManager of Nacos).
type Audience interface {
	// SubscribersLike returns the subscriptions to the services of a namespace whose group and
	// name contain those of like, which need not exist: with all nodes that answer, or with this
	// one alone. In no particular order; the same one may be there twice.
	SubscribersLike(ctx context.Context, like Key, everywhere bool) []Subscription
}

// Settings are the durable, node-independent settings: switches and namespaces.
type Settings interface {
	// Switches returns the switches in force. Do not modify.
	Switches() *Switches
	// SetSwitch changes one entry. With debug it changes this node only and is not written
	// down; otherwise it is durable when SetSwitch returns.
	SetSwitch(ctx context.Context, entry, value string, debug bool) error

	// Namespaces returns the created namespaces, without "public", sorted by id.
	Namespaces() []Namespace
	// CreateNamespace reports false when the id is malformed or taken.
	CreateNamespace(ctx context.Context, ns Namespace) (bool, error)
	// UpdateNamespace changes name and description; an unknown id is not an error.
	UpdateNamespace(ctx context.Context, ns Namespace) error
	// RemoveNamespace forgets a namespace; services in it are not touched.
	RemoveNamespace(ctx context.Context, id string) error
}

// Namespace is a namespace as the console knows it. "public" is implied.
type Namespace struct {
	ID, Name, Description string
}

// MaxRequestTime bounds every command: after it the caller gets KindUnavailable.
const MaxRequestTime = 5 * time.Second

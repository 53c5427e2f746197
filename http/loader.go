package http

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nactor/naming"
)

// Loader tells of the clients of 2.x that are connected, and has them connect elsewhere. A
// redirect is the "ip:port" of a server to go to; what is none means any.
type Loader interface {
	// Clients returns those of this node, sorted by id.
	Clients() []Client
	// Loads returns how many each node has, of those that take such clients and answer before
	// ctx ends.
	Loads(ctx context.Context) []ClientLoad
	// Reset sends one client of this node away; one that is not here is passed over.
	Reset(id, redirect string)
	// Shrink sends so many clients of the node at an address away that keep are left.
	Shrink(ctx context.Context, address string, keep int, redirect string) error
}

// Client is a client of 2.x on its connection.
type Client struct {
	ID                   string         // of the connection
	Addr                 netip.AddrPort // the client's end
	Port                 int            // this node's end
	Version, App, Tenant string         // as it says itself
	Labels               map[string]string
	Since, LastActive    time.Time
}

// ClientLoad is how many clients of 2.x a node has.
type ClientLoad struct {
	Address  string
	All, SDK int     // SDK: those that say that they are one
	Limits   string  // the rule of limits, as JSON
	Load     float64 // of the host, a minute's average; negative: not known
}

// nobody is the [Loader] of a node without clients of 2.x.
type nobody struct{}

func (nobody) Clients() []Client                                 { return nil }
func (nobody) Loads(context.Context) []ClientLoad                { return nil }
func (nobody) Reset(string, string)                              {}
func (nobody) Shrink(context.Context, string, int, string) error { return nil }

// HostLoad returns the load of the last minute, negative where that is not known.
func HostLoad() float64 { return readLoad().load }

// Jackson's members of Nacos's Connection.
type (
	shownClient struct {
		Traced    bool              `json:"traced"`
		Abilities *struct{}         `json:"abilities"`
		Meta      shownMeta         `json:"metaInfo"`
		Connected bool              `json:"connected"`
		Labels    map[string]string `json:"labels"`
	}
	shownMeta struct {
		Type       string            `json:"connectType"`
		ClientIP   string            `json:"clientIp"`
		RemoteIP   string            `json:"remoteIp"`
		RemotePort int               `json:"remotePort"`
		LocalPort  int               `json:"localPort"`
		Version    string            `json:"version"`
		ID         string            `json:"connectionId"`
		Created    string            `json:"createTime"`
		LastActive int64             `json:"lastActiveTime"`
		App        string            `json:"appName"`
		Tenant     string            `json:"tenant"`
		Labels     map[string]string `json:"labels"`
		Tag        *string           `json:"tag"`
		Cluster    bool              `json:"clusterSource"`
		SDK        bool              `json:"sdkSource"`
	}
)

// listClients shows the clients of this node, by connection id.
func (r *request) listClients() error {
	out := map[string]shownClient{}
	for _, c := range r.s.cfg.Loader.Clients() {
		m := shownMeta{
			Type: "GRPC", ClientIP: c.Addr.Addr().String(), RemoteIP: c.Addr.Addr().String(), RemotePort: int(c.Addr.Port()), LocalPort: c.Port,
			Version: c.Version, ID: c.ID, Created: c.Since.UTC().Format("2006-01-02T15:04:05.000+00:00"), LastActive: c.LastActive.UnixMilli(),
			App: c.App, Tenant: c.Tenant, Labels: c.Labels,
			Cluster: strings.EqualFold(c.Labels["source"], "cluster"), SDK: strings.EqualFold(c.Labels["source"], "sdk"),
		}
		if tag, ok := c.Labels["Vipserver-Tag"]; ok {
			m.Tag = &tag
		}
		out[c.ID] = shownClient{Meta: m, Connected: true, Labels: c.Labels}
	}
	return r.marshal(out)
}

// loadTimeout bounds how long other nodes are waited for.
const loadTimeout = time.Second

// loads returns the loads of the nodes, sorted by address, and the average.
func (r *request) loads() (list []ClientLoad, avg int) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	list = r.s.cfg.Loader.Loads(ctx)
	slices.SortFunc(list, func(a, b ClientLoad) int { return cmp.Compare(a.Address, b.Address) })
	total := 0
	for _, l := range list {
		total += l.SDK
	}
	return list, total / max(len(list), 1)
}

// clusterLoad shows how the clients are spread over the nodes.
func (r *request) clusterLoad() error {
	type detail struct {
		Address string            `json:"address"`
		Metric  map[string]string `json:"metric"`
	}
	list, avg := r.loads()
	details, most, least, total := []detail{}, 0, -1, 0
	for _, l := range list {
		most, total = max(most, l.SDK), total+l.SDK
		if least < 0 || l.SDK < least {
			least = l.SDK
		}
		details = append(details, detail{l.Address, map[string]string{
			"conCount": strconv.Itoa(l.All), "sdkConCount": strconv.Itoa(l.SDK), "limitRule": l.Limits,
			"load": javaFloat(l.Load), "cpu": javaFloat(-1), // the load of the processors is not measured
		}})
	}
	members := len(r.s.cfg.Members.Members())
	return r.marshal(map[string]any{
		"detail": details, "memberCount": members, "metricsCount": len(details), "completed": len(details) == members,
		"max": most, "min": least, "avg": avg, "threshold": float64(avg) * 1.1, "total": total,
	})
}

// javaFloat is Float.toString for numbers of a usual size.
func javaFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 32)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// reloadClients sends clients of this node away until count are left.
func (r *request) reloadClients() error {
	count, to := r.springInt("count"), r.springOr("redirectAddress", "")
	if r.err != nil {
		return r.err
	}
	if count >= 0 { // less is no count in Nacos
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		if err := r.s.cfg.Loader.Shrink(ctx, r.s.cfg.Members.Self().Address(), count, to); err != nil {
			return err
		}
	}
	r.text("success")
	return nil
}

// reloadClient sends one client of this node away.
func (r *request) reloadClient() error {
	id, to := r.spring("connectionId"), r.springOr("redirectAddress", "")
	if r.err != nil {
		return r.err
	}
	r.s.cfg.Loader.Reset(id, to)
	r.text("success")
	return nil
}

// A node that has more clients than the average by this share gives some to one that has less by
// it, at most this share of its own at a time (RemoteUtils.LOADER_FACTOR).
const loaderFactor = 0.1

// spreadClients evens out how many clients the nodes have: the fullest node sends some to the
// emptiest, the next to the next.
func (r *request) spreadClients() error {
	factor := loaderFactor
	if s := strings.TrimSpace(r.springOr("loaderFactor", "")); s != "" && r.err == nil {
		f, err := strconv.ParseFloat(s, 32)
		if err != nil || !(f >= 0 && f <= 1) {
			return naming.Invalid("loaderFactor %q is no number from 0 to 1", s)
		}
		factor = f
	}
	if r.err != nil {
		return r.err
	}
	list, avg := r.loads()
	over, low := int(float64(avg)*(1+factor)), int(float64(avg)*(1-factor))
	var full, empty []ClientLoad
	for _, l := range list {
		if l.SDK > over {
			full = append(full, l)
		}
		if l.SDK < low {
			empty = append(empty, l)
		}
	}
	slices.SortStableFunc(full, func(a, b ClientLoad) int { return b.SDK - a.SDK })
	slices.SortStableFunc(empty, func(a, b ClientLoad) int { return a.SDK - b.SDK })
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	answer := "Ok"
	for i := range min(len(full), len(empty)) {
		keep := max(over, int(float64(full[i].SDK)*(1-loaderFactor)))
		if err := r.s.cfg.Loader.Shrink(ctx, full[i].Address, keep, empty[i].Address); err != nil {
			r.s.cfg.Logger.Warn("clients are not spread", "node", full[i].Address, "error", err)
			answer = "Fail"
		}
	}
	r.text(answer)
	return nil
}

package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nactor/naming"
)

// Time-outs of Nacos's processors.
const (
	connectTimeout = 500 * time.Millisecond
	answerTimeout  = 500 * time.Millisecond
)

const (
	maxAnswer  = 16 << 10 // bytes of status line and headers
	maxInterim = 5        // answers 1xx before the answer
)

// finding is what a check found out about an instance.
type finding uint8

const (
	nothing   finding = iota // the check could not be made, or must not
	passed                   //
	failed                   // counts; the instance may be busy
	failedNow                // nobody is there, or the wrong one
)

// outcome is what came of one check.
type outcome struct {
	finding finding
	busy    bool // ask later: twice the interval, not the longest
	kind    kind
	status  int   // of an HTTP answer; 0: none
	err     error // nil: there was an answer
}

func (o outcome) String() string {
	name := "tcp:"
	switch o.kind {
	case kindHTTP:
		name = "http:"
	case kindMySQL:
		name = "mysql:"
	}
	switch {
	case o.err != nil:
		return name + o.err.Error()
	case o.kind == kindHTTP:
		return name + strconv.Itoa(o.status)
	}
	return name + "ok"
}

var (
	errForbidden = errors.New("addresses of this kind are not asked by HTTP")
	errPort      = errors.New("no port to check")
	errPath      = errors.New("no path to check")
)

// probe makes one check.
func (p *Prober) probe(plan *plan, addr naming.Addr) outcome {
	out := outcome{kind: plan.kind}
	port := plan.portOf(addr.Port)
	if port <= 0 || port > 65535 {
		out.finding, out.err = failed, errPort
		return out
	}
	host := strings.TrimSuffix(strings.TrimPrefix(addr.IP, "["), "]")
	address := net.JoinHostPort(host, strconv.Itoa(port))
	switch plan.kind {
	case kindHTTP:
		p.http.Add(1)
		p.probeHTTP(&out, plan, host, address)
	case kindMySQL:
		p.mysql.Add(1)
		p.probeMySQL(&out, plan, address)
	default:
		p.tcp.Add(1)
		p.probeTCP(&out, address)
	}
	return out
}

func (p *Prober) probeTCP(out *outcome, address string) {
	conn, err := p.dial(p.dialTCP, address)
	if err != nil {
		out.lost(err)
		return
	}
	conn.Close()
	out.finding = passed
}

func (p *Prober) dial(dial func(context.Context, string, string) (net.Conn, error), address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, connectTimeout)
	defer cancel()
	return dial(ctx, "tcp", address)
}

func (p *Prober) probeHTTP(out *outcome, plan *plan, host, address string) {
	if plan.url == nil {
		out.finding, out.err = failed, errPath
		return
	}
	if ip, err := netip.ParseAddr(host); err == nil && forbidden(ip) {
		out.lost(errForbidden)
		return
	}
	conn, err := p.dial(p.dialHTTP, address)
	if err != nil {
		out.lost(err)
		return
	}
	defer conn.Close()
	defer context.AfterFunc(p.ctx, func() { conn.Close() })()
	deadline := time.Now().Add(answerTimeout)
	if err := conn.SetDeadline(deadline); err != nil {
		out.lost(err)
		return
	}
	if out.status, err = ask(conn, plan, address); err != nil {
		if !time.Now().Before(deadline) {
			err = os.ErrDeadlineExceeded // half an answer reads as nonsense
		}
		out.lost(err)
		return
	}
	switch out.status {
	case plan.expected:
		out.finding = passed
	case http.StatusServiceUnavailable, http.StatusFound:
		out.finding, out.busy = failed, true
	default:
		out.finding = failedNow
	}
}

// ask sends the request and returns the status of the answer. There is no http.Client in
// between: one connection for one question, no redirect, no proxy, nothing kept.
func ask(conn net.Conn, plan *plan, address string) (status int, err error) {
	u := *plan.url
	u.Host = address
	req := &http.Request{Method: http.MethodGet, URL: &u, Host: plan.host, Header: plan.header, Close: true}
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(io.LimitReader(conn, maxAnswer), 1<<10)
	for range maxInterim {
		// The body is not closed: that would read it.
		resp, err := http.ReadResponse(in, req)
		if err != nil {
			return 0, err
		}
		if resp.StatusCode >= 200 {
			return resp.StatusCode, nil
		}
	}
	return 0, errors.New("no final answer")
}

// lost judges a check that got no answer.
func (o *outcome) lost(err error) {
	o.err = err
	var timeout net.Error
	switch {
	case errors.Is(err, errForbidden) || ours(err):
		o.finding = nothing
	case errors.Is(err, syscall.ECONNREFUSED):
		o.finding = failedNow
	case errors.As(err, &timeout) && timeout.Timeout():
		o.finding, o.busy = failed, true
	default:
		o.finding = failed
	}
}

// ours reports whether an error is about this node, not about the instance.
func ours(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// dialers returns the real ones. The one for HTTP looks at the address that is connected
// to, which for a name nobody knows before.
func dialers() (tcp, http func(context.Context, string, string) (net.Conn, error)) {
	plain := &net.Dialer{KeepAlive: -1}
	guarded := &net.Dialer{KeepAlive: -1, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", errForbidden, err)
		}
		if forbidden(to.Addr()) {
			return errForbidden
		}
		return nil
	}}
	return plain.DialContext, guarded.DialContext
}

// Clouds answer questions about the machine and its credentials at link-local addresses
// (169.254.169.254 and others) and at these.
var (
	awsMetadata6    = netip.MustParseAddr("fd00:ec2::254")
	alibabaMetadata = netip.MustParseAddr("100.100.100.200")
	oracleMetadata  = netip.MustParseAddr("192.0.0.192")
)

// forbidden reports whether an address must not be asked by HTTP.
func forbidden(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip == awsMetadata6 || ip == alibabaMetadata || ip == oracleMetadata
}

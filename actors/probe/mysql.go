package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Time-outs of Nacos's processor; the connection and each answer have connectTimeout and
// answerTimeout.
const (
	loginTimeout = time.Second
	queryTimeout = time.Second
)

// readOnlyCommand is the one command whose answer counts: a read-only server is no master.
const readOnlyCommand = "show global variables where variable_name='read_only'"

var (
	errSlave     = errors.New("the server is a slave")
	errNoCommand = errors.New("no command to run")
	errChanges   = errors.New("commands that change data are not run")
	errNoRow     = errors.New("the answer has no row")
)

// probeMySQL logs in and runs the command. The connection is closed after the check:
// nothing is held that could leak, go stale while the server restarts, or hide that the
// password has changed.
func (p *Prober) probeMySQL(out *outcome, plan *plan, address string) {
	if err := checkCommand(plan.command); err != nil {
		out.finding, out.err = failedNow, err
		return
	}
	conn, err := p.dial(p.dialTCP, address)
	if err != nil {
		out.lost(fmt.Errorf("connect: %w", err))
		return
	}
	defer conn.Close()
	defer context.AfterFunc(p.ctx, func() { conn.Close() })()
	if err := runMySQL(conn, plan); err != nil {
		out.lost(err)
		// Whoever answers something else is not the server that is wanted; a time-out or the
		// wrong role may pass.
		if out.finding == failed && !out.busy && !errors.Is(err, errSlave) {
			out.finding = failedNow
		}
		return
	}
	out.finding = passed
}

// runMySQL talks to a server over conn. nil: it is healthy.
func runMySQL(conn net.Conn, plan *plan) error {
	timed := &timedConn{Conn: conn, end: time.Now().Add(loginTimeout)}
	c := &sqlConn{conn: timed, left: maxSQLAnswer}
	if err := c.login(plan.user, plan.password); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	timed.end = time.Now().Add(queryTimeout)
	rows := 0
	var role string
	err := c.query(plan.command, func(row sqlRow) error {
		if rows++; rows > 1 || plan.command != readOnlyCommand {
			return nil
		}
		var err error
		role, err = row.column(1)
		return err
	})
	var said *sqlError
	if err == nil || errors.Is(err, errNoResult) || errors.As(err, &said) {
		c.quit()
	}
	switch {
	case errors.Is(err, errLargeAnswer) && rows > 0:
		return nil // it works; how much it says does not matter
	case err != nil:
		return fmt.Errorf("run the command: %w", err)
	case plan.command != readOnlyCommand:
	case rows == 0:
		return errNoRow
	case role == "ON":
		return errSlave
	}
	return nil
}

// checkCommand refuses what Nacos's driver does not run as a query.
func checkCommand(command string) error {
	if strings.TrimSpace(command) == "" {
		return errNoCommand
	}
	switch strings.ToUpper(firstWord(command)) {
	case "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "TRUNCATE", "RENAME":
		return errChanges
	}
	return nil
}

// firstWord returns the first word after space and comments.
func firstWord(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n(")
		end := ""
		switch {
		case strings.HasPrefix(s, "/*!"): // no comment: MySQL runs it, from some version on
			s = strings.TrimLeft(s[3:], "0123456789")
			continue
		case strings.HasPrefix(s, "/*"):
			end = "*/"
		case strings.HasPrefix(s, "-- "), strings.HasPrefix(s, "#"):
			end = "\n"
		default:
			word := strings.IndexFunc(s, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			if word < 0 {
				return s
			}
			return s[:word]
		}
		_, s, _ = strings.Cut(s, end)
	}
}

// timedConn gives each read and write answerTimeout, and all of them until end.
type timedConn struct {
	net.Conn
	end time.Time
}

func (c *timedConn) deadline() (time.Time, error) {
	now := time.Now()
	if !now.Before(c.end) {
		return now, os.ErrDeadlineExceeded
	}
	if d := now.Add(answerTimeout); d.Before(c.end) {
		return d, nil
	}
	return c.end, nil
}

// Read implements net.Conn.
func (c *timedConn) Read(b []byte) (int, error) {
	d, err := c.deadline()
	if err == nil {
		err = c.SetReadDeadline(d)
	}
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *timedConn) Write(b []byte) (int, error) {
	d, err := c.deadline()
	if err == nil {
		err = c.SetWriteDeadline(d)
	}
	if err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// opportunistic is for servers that offer TLS. As in Nacos nobody looks at the
// certificate, and an old cipher is better than none.
var opportunistic = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, CipherSuites: allCiphers()}

func allCiphers() (ids []uint16) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, s.ID)
	}
	return ids
}

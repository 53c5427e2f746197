package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"

	"nactor/actors/probe/mysqltest"
	"nactor/naming"
)

func mysqlPlan(user, password, command string) *plan {
	return newPlan(specOf(withChecker(naming.HealthChecker{Type: "MYSQL", User: user, Password: password, Command: command}), naming.DefaultCluster))
}

func TestMySQL(t *testing.T) {
	p := real(t)
	secured := mysqltest.Certificate(t)
	old := secured.Clone()
	old.MaxVersion, old.MinVersion = tls.VersionTLS11, tls.VersionTLS10
	answers := mysqltest.ReadOnly("OFF")
	answers["select 1"] = mysqltest.Result{Columns: []string{"1"}, Rows: [][]string{{"1"}}}
	answers["select 2"] = mysqltest.Result{Columns: []string{"1"}}
	answers["do 1"] = mysqltest.Result{}
	answers["broken"] = mysqltest.Result{Err: "disk full\n\x00 of \x1b[31m"}
	answers["many"] = mysqltest.Result{Columns: []string{"a", "b"}, Rows: slices.Repeat([][]string{{"NULL", strings.Repeat("x", 1<<10)}}, 2<<10)}
	answers["wide"] = mysqltest.Result{Columns: slices.Repeat([]string{"a"}, 200), Rows: [][]string{slices.Repeat([]string{"v"}, 200)}}
	answers["delete from t"] = mysqltest.Result{}
	good := mysqltest.Server{User: "u", Password: "p", Answers: answers}
	for _, c := range []struct {
		name                    string
		change                  func(*mysqltest.Server)
		user, password, command string
		finding                 finding
		err                     string
	}{
		{"master", nil, "u", "p", readOnlyCommand, passed, ""},
		{"slave", func(s *mysqltest.Server) { s.Answers = mysqltest.ReadOnly("ON") }, "u", "p", readOnlyCommand, failed, "the server is a slave"},
		{"role unknown", func(s *mysqltest.Server) { s.Answers = mysqltest.ReadOnly("NULL") }, "u", "p", readOnlyCommand, passed, ""},
		{"no role", func(s *mysqltest.Server) {
			s.Answers = map[string]mysqltest.Result{readOnlyCommand: {Columns: []string{"a", "b"}}}
		}, "u", "p", readOnlyCommand, failedNow, "the answer has no row"},
		{"narrow role", func(s *mysqltest.Server) {
			s.Answers = map[string]mysqltest.Result{readOnlyCommand: {Columns: []string{"a"}, Rows: [][]string{{"ON"}}}}
		}, "u", "p", readOnlyCommand, failedNow, "run the command: the answer has too few columns"},
		{"row", nil, "u", "p", "select 1", passed, ""},
		{"no row", nil, "u", "p", "select 2", passed, ""},
		{"no result", nil, "u", "p", "do 1", failedNow, "run the command: the command has no result"},
		{"large result", nil, "u", "p", "many", passed, ""},
		{"wide result", nil, "u", "p", "wide", passed, ""},
		{"wrong command", nil, "u", "p", "selekt", failedNow, "run the command: 1064 You have an error in your SQL syntax"},
		{"error", nil, "u", "p", "broken", failedNow, "run the command: 1105 disk full?? of ?[31m"},
		{"no command", nil, "u", "p", " ", failedNow, "no command to run"},
		{"change", nil, "u", "p", "/* x */ Delete from t", failedNow, "commands that change data are not run"},
		{"bad password", nil, "u", "q", "select 1", failedNow, "log in: 1045 Access denied for user 'u'@'127.0.0.1' (using password: YES)"},
		{"no password", nil, "u", "", "select 1", failedNow, "log in: 1045 Access denied for user 'u'@'127.0.0.1' (using password: YES)"},
		{"other user", nil, "v", "p", "select 1", failedNow, "log in: 1045 Access denied for user 'v'@'127.0.0.1' (using password: YES)"},
		{"zero byte", nil, "u\x00", "p", "select 1", failedNow, "log in: the user name or the password has a zero byte"},
		{"open to all", func(s *mysqltest.Server) { s.User, s.Password = "", "" }, "", "", "select 1", passed, ""},
		{"other default", func(s *mysqltest.Server) { s.Default = mysqltest.Caching }, "u", "p", "select 1", passed, ""},
		{"unknown default", func(s *mysqltest.Server) { s.Default = "auth_gssapi_client" }, "u", "p", "select 1", passed, ""},
		{"unknown login", func(s *mysqltest.Server) { s.Plugin = "dialog" }, "u", "p", "select 1", failedNow, "log in: the server wants a login by dialog, which is not known here"},
		{"sha2", func(s *mysqltest.Server) { s.Plugin = mysqltest.Caching }, "u", "p", "select 1", passed, ""},
		{"sha2, bad password", func(s *mysqltest.Server) { s.Plugin = mysqltest.Caching }, "u", "q", "select 1", failedNow, "log in: 1045 Access denied for user 'u'@'127.0.0.1' (using password: YES)"},
		{"sha2, long", func(s *mysqltest.Server) { s.Plugin, s.Forgetful = mysqltest.Caching, true }, "u", "p", "select 1", failedNow, "log in: the server wants the password itself, but has no TLS"},
		{"sha2, long, TLS", func(s *mysqltest.Server) { s.Plugin, s.Forgetful, s.TLS = mysqltest.Caching, true, secured }, "u", "p", "select 1", passed, ""},
		{"sha256", func(s *mysqltest.Server) { s.Plugin = mysqltest.SHA256 }, "u", "p", "select 1", failedNow, "log in: the server wants the password itself, but has no TLS"},
		{"sha256, TLS", func(s *mysqltest.Server) { s.Plugin, s.TLS = mysqltest.SHA256, secured }, "u", "p", "select 1", passed, ""},
		{"TLS", func(s *mysqltest.Server) { s.TLS, s.NeedTLS = secured, true }, "u", "p", "select 1", passed, ""},
		{"old TLS", func(s *mysqltest.Server) { s.TLS, s.NeedTLS = old, true }, "u", "p", "select 1", passed, ""},
		{"needs TLS, has none", func(s *mysqltest.Server) { s.NeedTLS = true }, "u", "p", "select 1", failedNow, "log in: 3159 Connections using insecure transport are prohibited while --require_secure_transport=ON."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mysqltest.Server{User: good.User, Password: good.Password, Answers: good.Answers}
			if c.change != nil {
				c.change(&s)
			}
			out := p.once(mysqlPlan(c.user, c.password, c.command), addrOf(s.Listen(t)))
			text := ""
			if out.err != nil {
				text = out.err.Error()
			}
			if out.finding != c.finding || text != c.err {
				t.Errorf("%v %q, want %v %q", out.finding, text, c.finding, c.err)
			}
			if strings.HasPrefix(strings.ToLower(strings.Join(s.Queries(), "")), "delete") {
				t.Error("the command was run")
			}
			for range 100 { // the end of the connection arrives by and by
				if open, _ := s.Connections(); open == 0 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("the connection was left open")
		})
	}
	if out := p.once(mysqlPlan("u", "p", "select 1"), closed(t)); out.finding != failedNow || out.String()[:6] != "mysql:" {
		t.Errorf("nobody listens: %+v", out)
	}
	s := mysqltest.Server{User: "u", Password: "p", Answers: answers}
	p.once(mysqlPlan("u", "p", "select 1"), addrOf(s.Listen(t)))
	for i := 0; ; i++ {
		if _, quits := s.Connections(); quits == 1 {
			break
		}
		if time.Sleep(10 * time.Millisecond); i == 100 {
			t.Fatal("no farewell: the server counts an aborted client")
		}
	}
}

// The fake server is one for others too.
func TestFakeMySQL(t *testing.T) {
	for _, plugin := range []string{mysqltest.Native, mysqltest.Caching, mysqltest.SHA256} {
		s := mysqltest.Server{User: "u", Password: "p", Plugin: plugin, TLS: mysqltest.Certificate(t), Answers: mysqltest.ReadOnly("OFF")}
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.TLSConfig = "u", "p", "tcp", s.Listen(t).String(), "preferred"
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := connector.Connect(t.Context())
		if err != nil {
			t.Fatal(plugin, err)
		}
		defer conn.Close()
		rows, err := conn.(driver.QueryerContext).QueryContext(t.Context(), readOnlyCommand, nil)
		if err != nil {
			t.Fatal(plugin, err)
		}
		row := make([]driver.Value, 2)
		if err := rows.Next(row); err != nil || string(row[1].([]byte)) != "OFF" {
			t.Errorf("%s: %v %v", plugin, row, err)
		}
		if err := rows.Next(row); err != io.EOF {
			t.Errorf("%s: %v", plugin, err)
		}
	}
}

// talks is a connection whose other end does what f says and is closed after it.
func talks(f func(net.Conn)) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			f(there)
		}()
		return here, nil
	}
}

// resets is a connection that is reset while something is read.
type resets struct{ nobody }

func (resets) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
}

func packet(seq byte, b string) []byte {
	n := len(b)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, b...)
}

// Servers that hang, break off or talk nonsense: how long a check takes, what is found.
func TestMySQLFaults(t *testing.T) {
	served := func(answer func(net.Conn)) func(context.Context, string) (net.Conn, error) {
		return talks(func(conn net.Conn) {
			s := mysqltest.Server{User: "u", Password: "p", Answers: map[string]mysqltest.Result{"select 1": {Columns: []string{"a"}, Before: answer}}}
			s.Serve(conn)
		})
	}
	sleep := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	trickle := func(b []byte) func(net.Conn) {
		return func(conn net.Conn) {
			for i := range b {
				time.Sleep(400 * time.Millisecond)
				if _, err := conn.Write(b[i : i+1]); err != nil {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name    string
		answer  func(context.Context, string) (net.Conn, error)
		finding finding
		busy    bool
		took    time.Duration
	}{
		{"no connection", hangs, failed, true, connectTimeout},
		{"refused", fails(syscall.ECONNREFUSED), failedNow, false, 0},
		{"no route", fails(syscall.EHOSTUNREACH), failed, false, 0},
		{"no descriptor", fails(syscall.EMFILE), nothing, false, 0},
		{"silent", talks(sleep), failed, true, answerTimeout},
		{"slow greeting", talks(trickle(packet(0, strings.Repeat("\x0a", 80)))), failed, true, loginTimeout},
		{"hangs in the query", served(sleep), failed, true, answerTimeout},
		{"slow answer", served(trickle(packet(1, strings.Repeat("\x01", 80)))), failed, true, queryTimeout},
		{"closed at once", talks(func(net.Conn) {}), failedNow, false, 0},
		{"closed in the query", served(func(conn net.Conn) { conn.Close() }), failedNow, false, 0},
		{"reset", func(context.Context, string) (net.Conn, error) { return resets{}, nil }, failedNow, false, 0},
		{"too many connections", talks(func(conn net.Conn) { conn.Write(packet(0, "\xff\x10\x04Too many connections")) }), failedNow, false, 0},
		{"HTTP", talks(func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }), failedNow, false, 0},
		{"SSH", talks(func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n") }), failedNow, false, 0},
		{"large packet", talks(func(conn net.Conn) { conn.Write([]byte{0xff, 0xff, 0xff, 0}) }), failedNow, false, 0},
		{"many columns", served(func(conn net.Conn) {
			conn.Write(packet(1, "\xfe"+string(binary.LittleEndian.AppendUint64(nil, 1<<40))))
		}), failedNow, false, 0},
		{"wish for a file", served(func(conn net.Conn) { conn.Write(packet(1, "\xfb/etc/passwd")) }), failedNow, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				w.answer = c.answer
				begin := time.Now()
				out := w.probe(mysqlPlan("u", "p", "select 1"), naming.Addr{IP: "10.0.0.1", Port: 3306})
				took := time.Since(begin)
				pass(time.Second) // the server notices
				if out.finding != c.finding || out.busy != c.busy || took != c.took {
					t.Errorf("%+v after %v, want %v after %v", out, took, c.finding, c.took)
				}
			})
		})
	}
}

// Stop does not wait for a server that hangs.
func TestMySQLStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.answer = talks(func(conn net.Conn) { io.Copy(io.Discard, conn) })
		w.show(view(withChecker(naming.HealthChecker{Type: "MYSQL", Command: "select 1"}), persistent("10.0.0.1", true)))
		for w.Stats().MySQL == 0 {
			pass(grain)
		}
		begin := time.Now()
		w.Stop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopped after %v", took)
		}
		if _, r := w.taken(); len(r) != 0 {
			t.Errorf("reported %v", r)
		}
	})
}

// Checks of servers that hang are bounded, so that the others go on.
func TestMySQLConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{Concurrency: 8, MySQL: 3})
		var now, most, tcp atomic.Int64
		w.answer = func(ctx context.Context, a string) (net.Conn, error) {
			if strings.HasSuffix(a, ":80") {
				tcp.Add(1)
				return nobody{}, nil
			}
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return hangs(ctx, a)
		}
		meta := withChecker(naming.HealthChecker{Type: "MYSQL", Command: "select 1"})
		var in []*naming.Instance
		for i := range 200 {
			s := persistent(fmt.Sprintf("10.0.0.%03d", i), true)
			if s.Port = 3306; i == 100 {
				s.Port, s.Cluster = 80, "web"
			}
			in = append(in, s)
		}
		w.show(view(meta, in...))
		pass(time.Minute)
		tcp.Store(0)
		pass(time.Minute)
		if most.Load() != 3 {
			t.Errorf("%d checks at once", most.Load())
		}
		if n := tcp.Load(); n < 55 {
			t.Errorf("%d checks by TCP in a minute, want 60", n)
		}
		if d, _ := w.taken(); len(d) < 500 {
			t.Errorf("%d checks in two minutes: there are turns left", len(d))
		}
		w.show(view(meta, in[:50]...))
		w.show(view(withChecker(naming.HealthChecker{Type: "TCP"}), in[:40]...))
		pass(time.Minute)
		w.Prober.mu.Lock()
		defer w.Prober.mu.Unlock()
		if w.bySQL != 0 || len(w.waiting) != 0 || len(w.due.heap)+int(now.Load()) != 40 {
			t.Errorf("%d under way, %d wait, %d in the queue", w.bySQL, len(w.waiting), len(w.due.heap))
		}
	})
}

func TestCheckCommand(t *testing.T) {
	for command, want := range map[string]error{
		"select 1": nil, "(select 1)": nil, "show slave status": nil, "call p()": nil, "updated()": nil, "delete_all()": nil,
		"/* delete */ select 1": nil, "-- delete\nselect 1": nil, "# a\n# b\nselect 1": nil, "é": nil,
		"": errNoCommand, " \n": errNoCommand,
		"update t set a=1": errChanges, " (DELETE from t": errChanges, "/*a*//*b*/drop table t": errChanges, "-- x\nInsert into t": errChanges,
		"create/**/table t(a int)": errChanges, "/*!50000 delete from t*/": errChanges, "/*! select 1*/": nil, "ALTER\ttable t": errChanges, "truncate t": errChanges, "rename table a to b": errChanges,
		"/* open": nil, "#": nil,
	} {
		if err := checkCommand(command); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v, want %v", command, err, want)
		}
	}
}

// Whatever a server says, a check ends, and takes little memory.
func FuzzMySQLServer(f *testing.F) {
	var log []byte
	s := mysqltest.Server{User: "u", Password: "p", Answers: mysqltest.ReadOnly("ON")}
	here, there := net.Pipe()
	go s.Serve(there)
	runMySQL(recorder{here, &log}, mysqlPlan("u", "p", readOnlyCommand))
	here.Close()
	f.Add(log)
	f.Add(packet(0, "\xff\x10\x04#HY000Too many connections"))
	f.Add(slices.Concat(log[:82], packet(2, "\xfecaching_sha2_password\x00abcdefghijklmnopqrst\x00"), packet(4, "\x01\x04")))
	f.Fuzz(func(t *testing.T, said []byte) {
		c := &sqlConn{conn: script{rest: &said}, left: maxSQLAnswer}
		if err := c.login("u", "p"); err != nil {
			return
		}
		c.query(readOnlyCommand, func(row sqlRow) error {
			_, err := row.column(1)
			return err
		})
	})
}

// script is a server that has said all before it hears anything.
type script struct {
	net.Conn
	rest *[]byte
}

func (s script) Read(b []byte) (int, error) {
	if len(*s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, *s.rest)
	*s.rest = (*s.rest)[n:]
	return n, nil
}
func (script) Write(b []byte) (int, error) { return len(b), nil }

// recorder keeps what is read.
type recorder struct {
	net.Conn
	log *[]byte
}

func (r recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	*r.log = append(*r.log, b[:n]...)
	return n, err
}

// A real server, where the machine has one.
func TestRealMySQL(t *testing.T) {
	addr := realMySQL(t)
	p := real(t)
	for _, c := range []struct {
		user, password, command string
		finding                 finding
		err                     string
	}{
		{"u", "pässword", readOnlyCommand, passed, ""},
		{"u", "pässword", "select 1 union select 2", passed, ""},
		{"u", "pässword", "show global status", passed, ""},
		{"u", "pässword", "select repeat('x', 1000) from information_schema.columns", passed, ""},
		{"u", "pässword", "call mysql.two()", passed, ""},
		{"empty", "", "select null, 1", passed, ""},
		{"u", "p", "select 1", failedNow, "1045"},
		{"empty", "p", "select 1", failedNow, "1045"},
		{"nobody", "p", "select 1", failedNow, "1045"},
		{"u", "pässword", "selekt", failedNow, "1064"},
		{"u", "pässword", "do 1", failedNow, "no result"},
		{"u", "pässword", "select sleep(5)", failed, "timeout"},
		{"u", "pässword", "load data local infile '/etc/hostname' into table mysql.user", failedNow, "run the command"},
		{"tls", "p", "select 1", passed, ""},
	} {
		out := p.once(mysqlPlan(c.user, c.password, c.command), addr)
		text := ""
		if out.err != nil {
			text = out.err.Error()
		}
		if out.finding != c.finding || !strings.Contains(text, c.err) || c.err == "" && text != "" {
			t.Errorf("%s %s: %v %q, want %v %q", c.user, c.command, out.finding, text, c.finding, c.err)
		}
	}
	if out := p.once(mysqlPlan("root", "", "set global read_only=1"), addr); !errors.Is(out.err, errNoResult) {
		t.Fatal(out)
	}
	if out := p.once(mysqlPlan("u", "pässword", readOnlyCommand), addr); out.finding != failed || !errors.Is(out.err, errSlave) {
		t.Errorf("read-only: %+v", out)
	}
}

// realMySQL starts a server with the users root, u, empty and tls.
func realMySQL(t *testing.T) naming.Addr {
	find := func(names ...string) string {
		for _, name := range names {
			for _, dir := range []string{"", "/usr/sbin/", "/usr/bin/"} {
				if path, err := exec.LookPath(dir + name); err == nil {
					return path
				}
			}
		}
		return ""
	}
	daemon := find("mariadbd", "mysqld")
	if daemon == "" {
		t.Skip("NOT TESTED: checks by MYSQL against a real server; neither mariadbd nor mysqld is installed")
	}
	dir := t.TempDir()
	data, init := filepath.Join(dir, "data"), filepath.Join(dir, "init.sql")
	run := func(name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	common := []string{"--no-defaults", "--datadir=" + data}
	if os.Getuid() == 0 {
		common = append(common, "--user=root")
	}
	if install := find("mariadb-install-db"); install != "" {
		run(install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")...)
	} else {
		run(daemon, append(common, "--initialize-insecure")...)
	}
	if err := os.WriteFile(init, []byte(`
		create user u@'%' identified by 'pässword';
		create user empty@'%';
		create user tls@'%' identified by 'p' require ssl;
		grant all on *.* to u@'%';
		create definer=root@localhost procedure mysql.two() select 1;
	`), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := mysqltest.CertificateFiles(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := addrOf(l.Addr())
	l.Close()
	cmd := exec.Command(daemon, append(common, "--port="+strconv.Itoa(addr.Port), "--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "s"), "--init-file="+init,
		"--ssl-cert="+cert, "--ssl-key="+key, "--skip-name-resolve", "--innodb-buffer-pool-size=16M", "--pid-file="+filepath.Join(dir, "pid"))...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p := real(t)
	for range 600 {
		if out := p.probe(mysqlPlan("u", "pässword", "select 1"), addr); out.finding == passed {
			return addr
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server did not start in a minute")
	return addr
}

// Of a server that is a slave for a while, three checks in a row must say so; an error is
// enough. The intervals are those of mysqlHealthParams.
func TestMySQLHealth(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]mysqltest.Result
		checks  int
	}{
		{"slave", mysqltest.ReadOnly("ON"), 3},
		{"error", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				answers := mysqltest.ReadOnly("OFF")
				w.answer = func(ctx context.Context, a string) (net.Conn, error) {
					s := mysqltest.Server{User: "u", Password: "p", Answers: answers}
					return talks(func(conn net.Conn) { s.Serve(conn) })(ctx, a)
				}
				w.show(view(withChecker(naming.HealthChecker{Type: "MYSQL", User: "u", Password: "p", Command: readOnlyCommand}), persistent("10.0.0.1", true)))
				pass(30 * time.Second)
				w.taken()
				pass(20 * time.Second)
				if d, r := w.taken(); len(d) < 9 || len(d) > 11 || len(r) != 0 {
					t.Errorf("%d checks in 20 s at an interval of 2 s, reports %v", len(d), r)
				}
				flip := func(healthy bool, now map[string]mysqltest.Result, checks int) {
					t.Helper()
					w.set(func() { answers = now })
					for n := 0; ; {
						pass(grain)
						d, r := w.taken()
						n += len(d)
						if len(r) == 0 && n <= checks {
							continue
						}
						if len(r) != 1 || r[0].Healthy != healthy || n != checks {
							t.Fatalf("after %d checks %v, want after %d", n, r, checks)
						}
						return
					}
				}
				flip(false, c.answers, c.checks)
				flip(true, mysqltest.ReadOnly("OFF"), 3)
			})
		})
	}
}

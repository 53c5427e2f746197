package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// home makes a home with the given files below conf/.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func properties1(t *testing.T, text string) string {
	return home(t, map[string]string{"application.properties": text})
}

func mustLoad(t *testing.T, o Options) *Config {
	t.Helper()
	if o.Environ == nil {
		o.Environ = []string{}
	}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	c := mustLoad(t, Options{Home: dir})
	if c.Home != dir || c.Mode != Cluster || c.Storage != External || c.Port != 8848 || c.AsVersion != "2.0.3" ||
		!c.ExpireInstance || c.EmptyService != time.Minute || c.MaxInstances != 10_000 || c.PushDelay != 500*time.Millisecond ||
		c.StoreMinFree != 16<<20 || c.MinAcks != 1 || c.BindAddress != "" || c.Peers != nil || c.IP == "" ||
		c.ContextPath != "/nacos" || c.Logging.Level != slog.LevelInfo || c.Logging.MaxFiles != 10 || c.Logging.MaxSizeMB != 50 {
		t.Errorf("defaults: %+v", c)
	}
	if c.GRPCPort() != 9848 || c.RemotePort() != 9849 || c.RaftPort() != 7848 || c.SerfPort() != 9850 {
		t.Error("derived ports:", c.GRPCPort(), c.RemotePort(), c.RaftPort(), c.SerfPort())
	}
	if len(c.Warnings) != 0 {
		t.Error("warnings:", c.Warnings)
	}
}

// The table of keys is what operators read; it must say what Load does.
func TestKeysTableSaysTheDefaults(t *testing.T) {
	var text strings.Builder
	for _, k := range Keys() {
		text.WriteString(k.Name + " = " + k.Default + "\n")
	}
	for _, mode := range []string{"standalone", "cluster"} {
		written := mustLoad(t, Options{Home: properties1(t, text.String()), Mode: mode})
		empty := mustLoad(t, Options{Home: written.Home, Mode: mode})
		bare := mustLoad(t, Options{Home: t.TempDir(), Mode: mode})
		for _, c := range []*Config{written, empty, bare} {
			c.Home, c.Raw = "", nil
		}
		if !reflect.DeepEqual(written, bare) {
			t.Errorf("the defaults of the table, written down, give\n%+v\nnothing written gives\n%+v", written, bare)
		}
	}
}

func TestLaterSourcesWin(t *testing.T) {
	dir := properties1(t, "server.port=1111\nnactor.as-version=1.4.0\n")
	for _, tt := range []struct {
		name    string
		environ []string
		set     []string
		want    int
	}{
		{"file", []string{}, nil, 1111},
		{"spring environment", []string{"SERVER_PORT=2222"}, nil, 2222},
		{"our environment over spring's", []string{"SERVER_PORT=2222", "NACTOR_SERVER_PORT=3333"}, nil, 3333},
		{"empty variable is unset", []string{"NACTOR_SERVER_PORT="}, nil, 1111},
		{"set over environment", []string{"NACTOR_SERVER_PORT=3333"}, []string{"server.port=4444"}, 4444},
		{"last set", nil, []string{"server.port=4444", "server.port = 5555"}, 5555},
		{"kubernetes service link", []string{"NACTOR_SERVER_PORT=tcp://10.0.0.7:8848"}, nil, 1111},
	} {
		c := mustLoad(t, Options{Home: dir, Environ: tt.environ, Set: tt.set, Mode: "standalone"})
		if c.Port != tt.want {
			t.Errorf("%s: port %d, want %d", tt.name, c.Port, tt.want)
		}
	}
	c := mustLoad(t, Options{Home: dir, Set: []string{"nactor.as-version=1.4.1"}, AsVersion: "1.4.2"})
	if c.AsVersion != "1.4.2" {
		t.Error("--as-version should win over --set, got", c.AsVersion)
	}
}

func TestEnvironmentNames(t *testing.T) {
	dir := t.TempDir()
	for _, env := range []string{
		"NACOS_INETUTILS_IPADDRESS", "NACOS_INETUTILS_IP_ADDRESS", "nacos.inetutils.ip-address",
		"NACTOR_NACOS_INETUTILS_IP_ADDRESS", "NACTOR_NACOS_INETUTILS_IPADDRESS",
	} {
		if c := mustLoad(t, Options{Home: dir, Environ: []string{env + "=10.1.2.3"}}); c.IP != "10.1.2.3" {
			t.Errorf("%s: ip %s", env, c.IP)
		}
	}
	for _, env := range []string{"NACOS_NAMING_EXPIREINSTANCE", "NACOS_NAMING_EXPIRE_INSTANCE", "NACTOR_NACOS_NAMING_EXPIRE_INSTANCE"} {
		if c := mustLoad(t, Options{Home: dir, Environ: []string{env + "=false"}}); c.ExpireInstance {
			t.Errorf("%s: not taken", env)
		}
	}
	if c := mustLoad(t, Options{Home: dir, Environ: []string{"NACTOR_STORE_MIN_FREE=1KB"}}); c.StoreMinFree != 1024 {
		t.Error("NACTOR_STORE_MIN_FREE:", c.StoreMinFree)
	}
}

func TestExpansion(t *testing.T) {
	env := []string{"HOST_NO=7", "EMPTY="}
	for _, tt := range []struct{ text, want, wantErr string }{
		{"server.address=10.0.0.${HOST_NO}", "10.0.0.7", ""},
		{"server.address=${NOT_THERE:10.0.0.9}", "10.0.0.9", ""},
		{"server.address=${NOT_THERE:}", "", ""},
		{"server.address=${EMPTY:10.0.0.9}", "10.0.0.9", ""},
		{"server.address=${A:${B:10.0.0.${HOST_NO}}}", "10.0.0.7", ""},
		{"base=10.0.0\nserver.address=${base}.1", "10.0.0.1", ""},
		{"server.address=${NOT_THERE}", "", `server.address: "${NOT_THERE}" refers to ${NOT_THERE}, which is set neither`},
		{"server.address=${open", "", "without its }"},
		{"a=${b}\nb=${a}\nserver.address=${a}", "", "refers to itself: server.address → a → b → a"},
	} {
		c, err := Load(Options{Home: properties1(t, tt.text), Environ: env})
		switch {
		case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
			t.Errorf("%q: error %v, want %q", tt.text, err, tt.wantErr)
		case tt.wantErr == "" && err != nil:
			t.Errorf("%q: %v", tt.text, err)
		case tt.wantErr == "" && c.BindAddress != tt.want:
			t.Errorf("%q: %q, want %q", tt.text, c.BindAddress, tt.want)
		}
	}
}

// A value nobody reads may hold what it likes: a database password with ${ in it.
func TestUnreadValuesAreNotExpanded(t *testing.T) {
	mustLoad(t, Options{Home: properties1(t, "db.password.0=a${b\ndb.url.0=${x}\n")})
}

func TestExpansionIsBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("server.address=${k0}\n")
	for i := range 15 {
		k := string(rune('0' + i))
		text.WriteString("k" + k + "=${k" + string(rune('1'+i)) + "}${k" + string(rune('1'+i)) + "}\n")
	}
	if _, err := Load(Options{Home: properties1(t, text.String()), Environ: []string{}}); err == nil {
		t.Error("a value that doubles fifteen times was accepted")
	}
}

func TestErrorsNameKeyValueSourceAndFix(t *testing.T) {
	for _, tt := range []struct {
		text string
		o    Options
		want string
	}{
		{"server.port=abc", Options{}, `server.port: "abc" is not a port number (conf/application.properties)`},
		{"", Options{Environ: []string{"SERVER_PORT=70000"}}, `server.port: "70000" is not a port number (environment variable SERVER_PORT)`},
		{"", Options{Set: []string{"server.port=-1"}}, `server.port: "-1" is not a port number (--set)`},
		{"", Options{Set: []string{"server.port"}}, `--set: "server.port" is not of the form key=value`},
		{"", Options{Mode: "alone"}, `-m: "alone" is not a mode: standalone or cluster`},
		{"", Options{Storage: "derby"}, `-p: "derby" is not a storage: embedded or external`},
		{"", Options{AsVersion: "new"}, `--as-version: "new" is not a Nacos version such as 1.4.2 or 2.0.3`},
		{"nacos.naming.expireInstance=maybe", Options{}, `nacos.naming.expireInstance: "maybe" is neither true nor false`},
		{"nacos.naming.push.pushTaskDelay=0.5s", Options{}, `"0.5s" is not a time in milliseconds`},
		{"nactor.store.min-free=lots", Options{}, `nactor.store.min-free: "lots" is not an amount of bytes such as 67108864 or 64MB`},
		{"nactor.log.level=loud", Options{}, `nactor.log.level: "loud" is not a log level: debug, info, warn or error`},
		{"nactor.log.max-files=0", Options{}, `nactor.log.max-files: "0" is not a whole number from 1 to 1000`},
		{"server.servlet.contextPath=/registry", Options{}, `server.servlet.contextPath: "/registry" is not supported`},
		{"server.address=10.0.0.300", Options{}, `server.address: "10.0.0.300" is neither an IP address nor a host name`},
		{"server.port=900", Options{Mode: "cluster"}, `choose one from 1001 to 64533`},
		{"server.port=65000", Options{Mode: "standalone"}, `leaves no room for the ports of gRPC (+1000): choose one from 1 to 64535`},
		{"", Options{Mode: "cluster", Members: "10.0.0.1:x"}, `-c: line 1: "10.0.0.1:x" has no port number from 1 to 65535 after the colon`},
		{"", Options{Mode: "cluster", Join: []string{"10.0.0.1"}}, `--join: line 1: "10.0.0.1" has no port: write 10.0.0.1:8848`},
		{"nactor.cluster.join=a:8848,::1", Options{Mode: "cluster"}, `"::1" has no port: write [::1]:8848`},
		{"", Options{Mode: "standalone", Join: []string{"10.0.0.1:8848"}}, `--join: "10.0.0.1:8848" names nodes of a cluster`},
		{"nactor.upgrade.check-interval=0", Options{}, `nactor.upgrade.check-interval: "0" is too often: give it at least 100 (conf/application.properties)`},
	} {
		tt.o.Home = properties1(t, tt.text)
		if tt.o.Environ == nil {
			tt.o.Environ = []string{}
		}
		_, err := Load(tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %+v:\n got %v\nwant %s", tt.text, tt.o, err, tt.want)
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %T is no *Error", tt.text, err)
		}
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := Load(Options{Home: properties1(t, "server.port=x\nnactor.log.level=y"), Environ: []string{}})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want two lines, got: %v", err)
	}
}

func TestErrorHidesSecrets(t *testing.T) {
	p := &Properties{file: map[string]string{"db.password.0": "hunter2"}, fileName: "f"}
	if _, err := p.Int("db.password.0", 0, 0, 1); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	c := mustLoad(t, Options{
		Home:    properties1(t, "nactor.colour=red\nnacos.naming.expire-instance=false\nnacos.core.auth.system.type=ldap\nmine=1\n"),
		Set:     []string{"nactor.store.minfree=1"},
		Environ: []string{"NACTOR_LOGLEVEL=x", "NACTOR_SERVER_PORT=tcp://10.0.0.1:1", "NACTOR_SERVER_PORT_8848_TCP_ADDR=10.0.0.1", "NACTOR_SERVER_SERVICE_HOST=10.0.0.1", "HOME=/"},
	})
	want := []string{
		`nacos.naming.expire-instance: not a property of this server, did you mean nacos.naming.expireInstance? (conf/application.properties)`,
		`nactor.colour: not a property of this version, ignored (conf/application.properties)`,
		`nactor.store.minfree: not a property of this server, did you mean nactor.store.min-free? (--set)`,
		`environment variable NACTOR_LOGLEVEL sets no property that this version reads`,
		`environment variable NACTOR_SERVER_PORT=tcp://10.0.0.1:1 looks like a Kubernetes service link and is ignored`,
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("warnings:\n%s", strings.Join(c.Warnings, "\n"))
	}
}

func TestWarnsOfAListWithoutThisNode(t *testing.T) {
	set := []string{"nacos.inetutils.ip-address=10.0.0.9"}
	c := mustLoad(t, Options{Mode: "cluster", Home: t.TempDir(), Members: "10.0.0.1:8848,10.0.0.9:8858", Set: set, Environ: []string{}})
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "this node, 10.0.0.9:8848, is not on the list of nodes") {
		t.Errorf("%q", c.Warnings)
	}
	for _, o := range []Options{
		{Members: "10.0.0.1:8848,10.0.0.9:8848"},
		{Members: "10.0.0.1:8848", Join: []string{"10.0.0.1:8848"}}, // one more than the list has
		{Join: []string{"10.0.0.1:8848"}},
	} {
		o.Mode, o.Home, o.Set, o.Environ = "cluster", t.TempDir(), set, []string{}
		if c := mustLoad(t, o); len(c.Warnings) > 0 {
			t.Errorf("%+v: %q", o, c.Warnings)
		}
	}
}

func TestModeAndStorage(t *testing.T) {
	for _, tt := range []struct {
		o       Options
		text    string
		mode    Mode
		storage Storage
	}{
		{Options{}, "", Cluster, External},
		{Options{Storage: "embedded"}, "", Cluster, Embedded},
		{Options{Mode: "standalone"}, "", Standalone, Embedded},
		{Options{Mode: "standalone"}, "spring.datasource.platform=mysql", Standalone, External},
		{Options{Mode: "standalone", Storage: "embedded"}, "spring.datasource.platform=mysql", Standalone, Embedded},
		{Options{Set: []string{"nacos.standalone=true"}}, "", Standalone, Embedded},
		{Options{Mode: "cluster", Set: []string{"nacos.standalone=true"}}, "", Cluster, External},
		{Options{Set: []string{"embeddedStorage=true"}}, "", Cluster, Embedded},
		{Options{Environ: []string{"EMBEDDED_STORAGE=embedded"}}, "", Cluster, Embedded},
	} {
		tt.o.Home = properties1(t, tt.text)
		if c := mustLoad(t, tt.o); c.Mode != tt.mode || c.Storage != tt.storage {
			t.Errorf("%+v %q: %s %s", tt.o, tt.text, c.Mode, c.Storage)
		}
	}
}

func TestAnyFreePort(t *testing.T) {
	c := mustLoad(t, Options{Home: t.TempDir(), Mode: "standalone", Set: []string{"server.port=0"}})
	if c.Port != 0 || c.GRPCPort() != 0 || c.RaftPort() != 0 {
		t.Error("want zeroes:", c.Port, c.GRPCPort(), c.RaftPort())
	}
}

func TestHomeMustExist(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(Options{Home: filepath.Join(dir, "nowhere")}); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Options{Home: file}); err == nil {
		t.Error("a file was taken for a home")
	}
}

func TestUnreadableProperties(t *testing.T) {
	dir := home(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "conf", "application.properties"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Options{Home: dir}); err == nil || !strings.Contains(err.Error(), "conf/application.properties cannot be read") {
		t.Error(err)
	}
}

func TestPropertiesFileAsWritten(t *testing.T) {
	c := mustLoad(t, Options{Mode: "standalone", Home: properties1(t, "\ufeff# comment\r\n! another\r\n  server.port : 9000  \r\nserver.address=127.0\\\r\n   .0.1\r\nserver.port=9001 \r\n")})
	if c.Port != 9001 || c.BindAddress != "127.0.0.1" {
		t.Errorf("port %d address %q", c.Port, c.BindAddress)
	}
}

// The file that operators get must name every key, and starting from it must mean the defaults.
func TestShippedProperties(t *testing.T) {
	text, err := os.ReadFile("../../../conf/application.properties")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if k.Name != keyContextPath2 && !strings.Contains(string(text), k.Name+"=") {
			t.Errorf("conf/application.properties does not show %s", k.Name)
		}
	}
	shipped := mustLoad(t, Options{Home: properties1(t, string(text))})
	bare := mustLoad(t, Options{Home: t.TempDir()})
	for _, c := range []*Config{shipped, bare} {
		c.Home, c.Raw = "", nil
	}
	if !reflect.DeepEqual(shipped, bare) {
		t.Errorf("shipped %+v\ndefaults %+v", shipped, bare)
	}
}

func TestDocumentedKeys(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if row := "| `" + k.Name + "` | " + k.Default + " |"; !strings.Contains(string(text), row) {
			t.Errorf("docs/operations.md lacks the row %s %s |", row, k.About)
		}
	}
}

func FuzzProperties(f *testing.F) {
	for _, s := range []string{"server.port=8848", "a=${b:c}\nb=${a}", "\\u00e4 = \\", "server.port=${${x}:1}", "!#\r\n=:", "nactor.log.level:debug"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseProperties(data)
		if err != nil {
			return
		}
		p := &Properties{file: m, fileName: "f"}
		p.warnings()
		for key := range m {
			v, err := p.String(key, "")
			if len(v) > maxExpandBytes+len(data) {
				t.Fatalf("%q grew to %d bytes", key, len(v))
			}
			if err != nil && !errors.As(err, new(*Error)) {
				t.Fatalf("%T", err)
			}
		}
	})
}

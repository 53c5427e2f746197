package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestClusterConf(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"\ufeff# nodes\r\n10.0.0.1:8848\r\n  10.0.0.2 # the second\r\n\r\n   \r\n", []string{"10.0.0.1:8848", "10.0.0.2:7000"}},
		{"10.0.0.1,10.0.0.2:8, ,10.0.0.1", []string{"10.0.0.1:7000", "10.0.0.2:8"}},
		{"nacos-0.nacos.svc.cluster.local:8848\nnode_1", []string{"nacos-0.nacos.svc.cluster.local:8848", "node_1:7000"}},
		{"[fe80::1]:8848\n[::1]\n2001:db8::7", []string{"[fe80::1]:8848", "[::1]:7000", "[2001:db8::7]:7000"}},
	} {
		peers, err := parseMembers(tt.text, "f", 7000)
		var got []string
		for _, p := range peers {
			got = append(got, p.String())
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v %v, want %v", tt.text, got, err, tt.want)
		}
	}
}

func TestClusterConfErrors(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1:8848\n10.0.0.1:0":  `f: line 2: "10.0.0.1:0" has no port number from 1 to 65535`,
		"10.0.0.1:65536":             `has no port number`,
		"10.0.0.1:":                  `ends in a colon without a port`,
		"10.0.0":                     `is not an address of the form ip:port`,
		"10.0.0.256:8848":            `is not an address of the form ip:port`,
		"ip1:8848?raft_port=8807":    `has a ?: write ip1:8848, the other ports follow from this one`,
		"http://10.0.0.1:8848/nacos": `is not an address`,
		"a b":                        `is not an address`,
		"[10.0.0.1]:8848":            `is not an address`,
		"[::1":                       `is not an address`,
		"::1:zz":                     `is not an address`,
		"-x":                         `is not an address`,
	} {
		if peers, err := parseMembers(text, "f", 7000); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %s", text, peers, err, want)
		}
	}
}

func TestWhereMembersComeFrom(t *testing.T) {
	file := home(t, map[string]string{"cluster.conf": "10.0.0.1\n", "application.properties": "nacos.member.list=10.0.0.2\nserver.port=9000"})
	none := properties1(t, "nacos.member.list=10.0.0.2:1,10.0.0.3\nserver.port=9000")
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Home: file, Members: "10.0.0.9:1,10.0.0.8"}, "[10.0.0.9:1 10.0.0.8:9000]"},
		{Options{Home: file}, "[10.0.0.1:9000]"},
		{Options{Home: none}, "[10.0.0.2:1 10.0.0.3:9000]"},
		{Options{Home: none, Set: []string{"nacos.member.list=10.0.0.5"}}, "[10.0.0.5:9000]"},
		{Options{Home: file, Mode: "standalone"}, "[]"},
	} {
		if c := mustLoad(t, tt.o); fmt.Sprint(c.Peers) != tt.want {
			t.Errorf("%+v: %v, want %s", tt.o, c.Peers, tt.want)
		}
	}
}

func FuzzClusterConf(f *testing.F) {
	for _, s := range []string{"10.0.0.1:8848\n# x\n[::1]:1,host", "a:b:c", "[::]:0", "\r,\t#", "1.2.3.4:5?x=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		peers, err := parseMembers(text, "f", 8848)
		if err != nil && peers != nil {
			t.Fatal("peers beside an error")
		}
		// What was read, written down again, reads the same.
		var lines []string
		for _, p := range peers {
			if p.Host == "" || p.Port < 1 || p.Port > 65535 {
				t.Fatalf("%+v", p)
			}
			lines = append(lines, p.String())
		}
		again, err := parseMembers(strings.Join(lines, "\n"), "f", 1)
		if err != nil || !slices.Equal(again, peers) {
			t.Fatalf("%v became %v, %v", peers, again, err)
		}
	})
}

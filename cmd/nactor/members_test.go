package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPrintMembers(t *testing.T) {
	const body = `{"code":200,"message":null,"data":[
{"ip":"10.0.0.1","port":8848,"state":"UP","extendInfo":{"lastRefreshTime":1617892880000,"raftMetaData":{"metaDataMap":{"naming_persistent_service":{"leader":"10.0.0.1:7848","raftGroupMember":["10.0.0.1:7848"],"term":1}}},"raftPort":"7848","readyToUpgrade":true,"version":"2.0.3"},"address":"10.0.0.1:8848","failAccessCnt":0},
{"ip":"10.0.0.2","port":8848,"state":"DOWN","extendInfo":{"raftPort":"7848"},"address":"10.0.0.2:8848","failAccessCnt":4}]}`
	var b strings.Builder
	if err := printMembers(&b, []byte(body), time.UnixMilli(1617892883000)); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimLeft(`
ADDRESS        STATE  VERSION  READY TO UPGRADE  STORE   HEARD
10.0.0.1:8848  UP     2.0.3    true              leader  3s ago
10.0.0.2:8848  DOWN   -        -                 -       -
`, "\n")
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if err := printMembers(&b, []byte("<html>"), time.Now()); err == nil {
		t.Error("a page is taken for a list")
	}
}

func TestRemoveMember(t *testing.T) {
	var sent []string
	answers := map[string]string{
		"GET /nacos/v1/core/cluster/nodes":         `{"code":200,"message":null,"data":[{"address":"10.0.0.1:8848","state":"UP"},{"address":"10.0.0.2:8848","state":"DOWN"}]}`,
		"POST /nacos/v1/core/cluster/server/leave": `{"code":200,"message":null,"data":"ok"}`,
	}
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, strings.TrimSpace(r.Method+" "+string(body)))
		w.WriteHeader(status)
		io.WriteString(w, answers[r.Method+" "+r.URL.Path])
	}))
	defer s.Close()
	for _, c := range []struct {
		args string
		code int
		say  string
		sent string
	}{
		{"10.0.0.2:8848", exitUsage, "is DOWN; a node that is only cut off", "GET"},
		{"10.0.0.9:8848", exitFailure, "no member has that address", "GET"},
		{"10.0.0.2:8848 --yes", exitOK, "10.0.0.2:8848 is removed for good", `POST ["10.0.0.2:8848"]`},
		{"", exitUsage, "accepts 1 arg", ""},
	} {
		sent = nil
		code, stdout, stderr := runHere(strings.Fields("members remove --server " + s.URL + " " + c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.say) || strings.Join(sent, ",") != c.sent {
			t.Errorf("%q: %d %s%s, sent %q", c.args, code, stdout, stderr, sent)
		}
	}
	status = http.StatusBadRequest
	answers["POST /nacos/v1/core/cluster/server/leave"] = "caused: 10.0.0.1:8848 is not removed: it is alive; stop it first;"
	if code, _, stderr := runHere("members", "remove", "10.0.0.1:8848", "--yes", "--server", s.URL); code != exitFailure || !strings.Contains(stderr, "it is alive; stop it first") {
		t.Errorf("%d %s", code, stderr)
	}
}

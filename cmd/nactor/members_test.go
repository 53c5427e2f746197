package main

import (
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

package faulttest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/valyala/fastjson"

	"nactor/naming"
)

// variety says whether services and instances differ in more than their names and addresses.
type variety bool

const (
	plain variety = false
	// mixed: several namespaces, groups and clusters, contents that change, some instances
	// disabled.
	mixed variety = true
)

// key returns the service that a number stands for.
func (v variety) key(service int) naming.Key {
	k := naming.Key{Namespace: naming.DefaultNamespace, Group: naming.DefaultGroup, Name: serviceName(service)}
	if v == mixed {
		k.Namespace = [...]string{naming.DefaultNamespace, "blue", "green"}[service%3]
		k.Group = [...]string{naming.DefaultGroup, "orders"}[service/3%2]
	}
	return k
}

// params names a service as clients do.
func (v variety) params(service int) string {
	k := v.key(service)
	return "serviceName=" + url.QueryEscape(k.Grouped()) + "&namespaceId=" + k.Namespace
}

func (v variety) cluster(id int) string {
	if v == mixed && id%3 == 2 {
		return "west"
	}
	return naming.DefaultCluster
}

// disabled: an operator has taken the instance out of the lists. It beats all the same.
func (v variety) disabled(id int) bool { return v == mixed && id%10 == 9 }

// content is what an instance says of itself besides its address.
type content struct {
	weight   float64
	metadata map[string]string
}

// editKey is the metadata that tells which edit a content comes from.
const editKey = "edit"

// content returns what an instance says after a number of edits: another weight, a value
// that changes, a key that comes and one that goes.
func (v variety) content(id, edit int) content {
	if v == plain {
		return content{weight: 1, metadata: map[string]string{}}
	}
	return content{weight: float64(1 + (id+edit)%9), metadata: map[string]string{
		editKey: strconv.Itoa(edit), fmt.Sprint("key-", edit%3): strconv.Itoa(id),
	}}
}

func (c content) json() string {
	b, err := json.Marshal(c.metadata)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// read returns what a list shows of an instance.
func (v variety) read(host *fastjson.Value) shown {
	s := shown{id: idOf(string(host.GetStringBytes("ip"))), healthy: host.GetBool("healthy")}
	if v == plain || s.id < 0 {
		return s
	}
	c := content{weight: host.GetFloat64("weight"), metadata: map[string]string{}}
	host.GetObject("metadata").Visit(func(k []byte, value *fastjson.Value) { c.metadata[string(k)] = string(value.GetStringBytes()) })
	edit, err := strconv.Atoi(c.metadata[editKey])
	s.edit = edit
	s.torn = err != nil || !v.content(s.id, edit).within(c) ||
		string(host.GetStringBytes("clusterName")) != v.cluster(s.id) || !host.GetBool("enabled")
	return s
}

// within reports whether other is the content, with or without keys of earlier ones: an edit
// replaces the metadata in 1.x, and is laid over those of the registration in 2.0.
func (c content) within(other content) bool {
	for k, v := range c.metadata {
		if other.metadata[k] != v {
			return false
		}
	}
	return c.weight == other.weight
}

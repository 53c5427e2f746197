package persistence

import (
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// locate returns where a record lives. A key that could not be read back is refused here:
// once on the disk it would keep the server from starting. Errors: kind
// [naming.KindInvalid].
func locate(r naming.Record) (bucket, key []byte, err error) {
	identity := r.Key.String()
	switch r.Kind {
	case naming.RecordService:
		bucket, key = bucketServices, []byte(identity)
	case naming.RecordInstance:
		bucket, key = bucketInstances, addrKey(identity, r.Addr)
	case naming.RecordOverlay:
		bucket, key = bucketOverlays, addrKey(identity, r.Addr)
	default:
		return nil, nil, naming.Invalid("service %s: a record of unknown kind %d cannot be stored", identity, r.Kind)
	}
	if k, ok := naming.ParseIdentity(identity); !ok || k != r.Key || strings.Contains(identity, "\x00") {
		return nil, nil, naming.Invalid("service %q cannot be stored: its name can be read in two ways", identity)
	}
	if strings.Contains(r.Addr.Cluster, "\x00") || strings.Contains(r.Addr.IP, "\x00") {
		return nil, nil, naming.Invalid("service %s: instance %q cannot be stored: it has a zero byte in its address", identity, r.Addr)
	}
	if len(key) > bbolt.MaxKeySize {
		return nil, nil, naming.Invalid("service %.64s…: names of %d bytes cannot be stored, at most %d are possible", identity, len(key), bbolt.MaxKeySize)
	}
	return bucket, key, nil
}

func addrKey(identity string, a naming.Addr) []byte {
	return []byte(identity + "\x00" + a.Cluster + "\x00" + a.IP + "\x00" + strconv.Itoa(a.Port))
}

func parseKey(key []byte) (naming.Key, error) {
	k, ok := naming.ParseIdentity(string(key))
	if !ok {
		return k, damaged("key %q is not of the form namespace@@group@@service", key)
	}
	return k, nil
}

func parseAddrKey(key []byte) (naming.Key, naming.Addr, error) {
	parts := strings.Split(string(key), "\x00")
	if len(parts) == 4 {
		k, ok := naming.ParseIdentity(parts[0])
		port, err := strconv.Atoi(parts[3])
		if ok && err == nil {
			return k, naming.Addr{Cluster: parts[1], IP: parts[2], Port: port}, nil
		}
	}
	return naming.Key{}, naming.Addr{}, damaged("key %q is not of the form service, cluster, ip, port", key)
}

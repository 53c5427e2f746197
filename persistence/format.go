package persistence

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
)

// schema is the version of the file format. It only grows; a file with a higher one is
// refused.
const schema = 1

// recordVersion is the version of a value's framing.
const recordVersion = 1

var (
	bucketMeta       = []byte("meta")
	bucketServices   = []byte("services")
	bucketInstances  = []byte("instances")
	bucketOverlays   = []byte("overlays")
	bucketSettings   = []byte("settings")
	bucketNamespaces = []byte("namespaces")

	recordBuckets = [][]byte{bucketServices, bucketInstances, bucketOverlays, bucketSettings, bucketNamespaces}

	keySchema   = []byte("schema")
	keyStore    = []byte("store")
	keyCreated  = []byte("created")
	keyCount    = []byte("count")
	keySum      = []byte("sum")
	keySwitches = []byte("switches")

	// Of a member of a cluster, in the bucket of settings.
	raftPrefix       = []byte("raft/")
	keyApplied       = []byte("raft/applied")
	keyConfiguration = []byte("raft/configuration")
	originPrefix     = []byte("raft/origin/")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket, key, payload []byte) uint32 {
	c := crc32.Update(0, castagnoli, bucket)
	c = crc32.Update(c, castagnoli, []byte{0})
	c = crc32.Update(c, castagnoli, key)
	c = crc32.Update(c, castagnoli, []byte{0})
	return crc32.Update(c, castagnoli, payload)
}

// seal frames a payload.
func seal(bucket, key, payload []byte) []byte {
	v := make([]byte, 5, 5+len(payload))
	v[0] = recordVersion
	binary.BigEndian.PutUint32(v[1:], checksum(bucket, key, payload))
	return append(v, payload...)
}

// unseal returns the payload of a value; an error names the record.
func unseal(bucket, key, value []byte) ([]byte, error) {
	switch {
	case len(value) < 5:
		return nil, damaged("record %s/%q is %d bytes short", bucket, key, 5-len(value))
	case binary.BigEndian.Uint32(value[1:]) != checksum(bucket, key, value[5:]):
		return nil, damaged("record %s/%q has a wrong checksum", bucket, key)
	case value[0] != recordVersion:
		return nil, damaged("record %s/%q has version %d", bucket, key, value[0])
	}
	return value[5:], nil
}

// hash is a record's share of the running sum.
func hash(bucket, key, value []byte) uint64 {
	h := fnv.New64a()
	h.Write(bucket)
	h.Write([]byte{0})
	h.Write(key)
	h.Write([]byte{0})
	h.Write(value)
	return h.Sum64()
}

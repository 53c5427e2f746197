package persistence

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// command is what a log entry carries: the batches that waited on one node, made in order,
// each as a whole or not at all. On the wire and in the log, with unsigned varints for all
// numbers:
//
//	1                                   version, one byte
//	length, node                        who sent it
//	start, number                       which start of that node, and its how-manieth command
//	count of batches; of each batch
//	    count of expectations; of each
//	        bucket, one byte; length, key; sum, 8 bytes big endian, 0: there is no record
//	    count of changes; of each
//	        bucket, one byte, with 0x80: delete; length, key; else length, payload
//
// A node sends the same command again when it does not know whether it arrived. Start and
// number of a node's commands only grow, so the second one is known by them.
type command struct {
	origin  origin
	batches []batch
}

// origin tells a command from all others.
type origin struct {
	node          string
	start, number uint64
}

func (o origin) after(p origin) bool {
	return o.start > p.start || o.start == p.start && o.number > p.number
}

const (
	commandVersion = 1
	maxBatch       = 6 << 20 // bytes
	groupCommand   = 1 << 20 // bytes from which on no batch is added
	maxCommand     = 8 << 20 // bytes: a batch behind such a group fits
	maxNodeID      = 256
	deleteBit      = 0x80
)

// newerCommand is a command that a newer version wrote: it must not be skipped.
type newerCommand byte

func (v newerCommand) Error() string {
	return fmt.Sprintf("the log has an entry of version %d, this server knows version %d: upgrade it to the version of the other members", byte(v), commandVersion)
}

// bucketNumbers are part of the format.
var bucketNumbers = map[string]byte{
	string(bucketServices): 1, string(bucketInstances): 2, string(bucketOverlays): 3, string(bucketSettings): 4, string(bucketNamespaces): 5,
}

var bucketsByNumber = [6][]byte{1: bucketServices, 2: bucketInstances, 3: bucketOverlays, 4: bucketSettings, 5: bucketNamespaces}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

// appendBatch appends a batch's encoding.
func appendBatch(b []byte, c batch) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.expects)))
	for _, e := range c.expects {
		b = appendBytes(append(b, bucketNumbers[string(e.bucket)]), e.key)
		b = binary.BigEndian.AppendUint64(b, e.sum)
	}
	b = binary.AppendUvarint(b, uint64(len(c.changes)))
	for _, c := range c.changes {
		number := bucketNumbers[string(c.bucket)]
		if c.payload == nil {
			b = appendBytes(append(b, number|deleteBit), c.key)
		} else {
			b = appendBytes(appendBytes(append(b, number), c.key), c.payload)
		}
	}
	return b
}

// appendCommand appends a command whose batches are encoded already.
func appendCommand(b []byte, o origin, batches [][]byte) []byte {
	b = append(b, commandVersion)
	b = appendBytes(b, []byte(o.node))
	b = binary.AppendUvarint(b, o.start)
	b = binary.AppendUvarint(b, o.number)
	b = binary.AppendUvarint(b, uint64(len(batches)))
	for _, e := range batches {
		b = append(b, e...)
	}
	return b
}

// decodeCommand reads a command. Its keys and payloads are parts of b. What it returns can
// be applied: [apply] fails on it for the disk's reasons only.
func decodeCommand(b []byte) (c command, err error) {
	if len(b) > 0 && b[0] > commandVersion {
		return c, newerCommand(b[0])
	}
	r := reader{rest: b}
	if v := r.byte(); v != commandVersion {
		r.fail("version %d", v)
	}
	c.origin.node = string(r.bytes(maxNodeID))
	c.origin.start, c.origin.number = r.number(), r.number()
	if c.origin.node == "" || c.origin.start == 0 || c.origin.number == 0 {
		r.fail("no origin")
	}
	n := r.count(2)
	if n > queueLength {
		r.fail("%d batches", n)
		n = 0
	}
	c.batches = make([]batch, n)
	for i := range c.batches {
		c.batches[i] = r.batch()
	}
	if len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	if r.err != nil {
		return command{}, fmt.Errorf("read a command of %d bytes: %w", len(b), r.err)
	}
	return c, nil
}

// reader takes fields off bytes that anybody may have written. After an error it returns
// zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.rest = nil
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("it is cut short")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("a number is cut short")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads the number of elements of at least size bytes each.
func (r *reader) count(size int) int {
	n := r.number()
	if n > uint64(len(r.rest)/size) {
		r.fail("%d elements in %d bytes", n, len(r.rest))
		return 0
	}
	return int(n)
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail("%d bytes are missing", n-uint64(len(r.rest)))
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// bytes reads a length and as many bytes, never nil.
func (r *reader) bytes(limit uint64) []byte {
	n := r.number()
	if n > limit {
		r.fail("a field of %d bytes, at most %d are allowed", n, limit)
	}
	if b := r.take(n); b != nil {
		return b
	}
	return []byte{}
}

func (r *reader) batch() (b batch) {
	b.expects = make([]expect, r.count(10))
	for i := range b.expects {
		bucket, key := r.place(r.byte())
		b.expects[i] = expect{bucket: bucket, key: key}
		if sum := r.take(8); sum != nil {
			b.expects[i].sum = binary.BigEndian.Uint64(sum)
		}
	}
	b.changes = make([]change, r.count(3))
	for i := range b.changes {
		number := r.byte()
		c := change{}
		if c.bucket, c.key = r.place(number &^ deleteBit); number&deleteBit == 0 {
			c.payload = r.bytes(maxCommand)
		}
		b.changes[i] = c
	}
	return b
}

// touched returns the service that a record belongs to, if it is one's.
func touched(bucket, key []byte) (k naming.Key, ok bool, err error) {
	switch string(bucket) {
	case string(bucketServices):
		k, err = parseKey(key)
	case string(bucketInstances), string(bucketOverlays):
		k, _, err = parseAddrKey(key)
	default:
		return k, false, nil
	}
	return k, err == nil, err
}

// place reads a key, after the number of its bucket. Raft's own records are not for
// commands to change.
func (r *reader) place(number byte) (bucket, key []byte) {
	if int(number) >= len(bucketsByNumber) || number == 0 {
		r.fail("there is no bucket %d", number)
		return bucketSettings, []byte{}
	}
	bucket, key = bucketsByNumber[number], r.bytes(bbolt.MaxKeySize)
	if len(key) == 0 {
		r.fail("a key is empty")
	}
	switch _, _, err := touched(bucket, key); {
	case err != nil:
		r.fail("%v", err)
	case number == bucketNumbers[string(bucketSettings)] && bytes.HasPrefix(key, raftPrefix):
		r.fail("key %q is not to be changed", key)
	}
	return bucket, key
}

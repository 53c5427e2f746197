package persistence

import (
	"encoding/binary"
	"time"

	"github.com/hashicorp/raft"
)

// The payload of a log entry: term, 8 bytes big endian; when it was appended, 8 bytes, Unix
// nanoseconds; type, 1 byte; length of the extensions, 4 bytes; extensions; data. Its key
// is the index, 8 bytes big endian.
const logHeader = 8 + 8 + 1 + 4

func logKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

func encodeLog(e *raft.Log) []byte {
	b := make([]byte, 0, logHeader+len(e.Extensions)+len(e.Data))
	b = binary.BigEndian.AppendUint64(b, e.Term)
	var at int64
	if !e.AppendedAt.IsZero() {
		at = e.AppendedAt.UnixNano()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = append(b, byte(e.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Extensions)))
	b = append(b, e.Extensions...)
	return append(b, e.Data...)
}

// decodeLog reads a stored entry. What it returns is a copy.
func decodeLog(key, value []byte, e *raft.Log) error {
	b, err := unseal(bucketLog, key, value)
	if err != nil {
		return err
	}
	if len(key) != 8 || len(b) < logHeader {
		return damaged("log entry %x is cut short", key)
	}
	extensions, rest := uint64(binary.BigEndian.Uint32(b[17:])), b[logHeader:]
	if extensions > uint64(len(rest)) || b[16] > byte(raft.LogConfiguration) {
		return damaged("log entry %x cannot be read", key)
	}
	*e = raft.Log{Index: binary.BigEndian.Uint64(key), Term: binary.BigEndian.Uint64(b), Type: raft.LogType(b[16])}
	if at := int64(binary.BigEndian.Uint64(b[8:])); at != 0 {
		e.AppendedAt = time.Unix(0, at)
	}
	if extensions > 0 {
		e.Extensions = append([]byte(nil), rest[:extensions]...)
	}
	if data := rest[extensions:]; len(data) > 0 {
		e.Data = append([]byte(nil), data...)
	}
	return nil
}

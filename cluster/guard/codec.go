package guard

import (
	"errors"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that ours stands before
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxEntries bounds what a batch holds in all: messages and the three tables that they
	// point into.
	maxEntries = 4 * maxEnvelopes
	// scanAbove is the size in bytes from which on a batch is counted before it is decoded.
	// Empty messages take two bytes on the wire and 75 times as much in memory.
	scanAbove = 64 << 10
)

// codec counts the entries of large batches before it decodes them.
type codec struct {
	encoding.CodecV2
	tally *tally
}

func newCodec(t *tally) codec { return codec{encoding.GetCodecV2("proto"), t} }

// errEntries ends a stream; the count of refusals has the reason.
var errEntries = errors.New("refused: " + ReasonCount)

// Unmarshal implements [encoding.CodecV2].
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if _, ok := v.(*remote.RemoteMessage); ok && data.Len() > scanAbove {
		b := data.MaterializeToBuffer(mem.DefaultBufferPool())
		n := entries(b.ReadOnlyData())
		b.Free()
		if n > maxEntries {
			c.tally.note(ReasonCount, "", n)
			return errEntries
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}

// batchField is the number of the batch in a remote.RemoteMessage.
var batchField = (*remote.RemoteMessage)(nil).ProtoReflect().Descriptor().Fields().ByName("message_batch").Number()

// entries counts the entries of the batches in an encoded message, up to where it is
// broken: there the decoder stops too.
func entries(b []byte) (n int) {
	for len(b) > 0 {
		number, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return n
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(number, typ, b); size < 0 {
			return n
		}
		if number == batchField && typ == protowire.BytesType {
			batch, _ := protowire.ConsumeBytes(b)
			n += fields(batch)
		}
		b = b[size:]
	}
	return n
}

// fields counts the fields of an encoded message.
func fields(b []byte) (n int) {
	for len(b) > 0 {
		_, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return n
		}
		b = b[size:]
		n++
	}
	return n
}

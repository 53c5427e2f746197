package persistence

import (
	"encoding/binary"
	"hash/fnv"
	"io"
)

// metaPage is what a meta page says.
type metaPage struct {
	pageSize uint32
	root     uint64 // page of the root bucket
	freelist uint64
	high     uint64 // the first page that is not in use
	tx       uint64
}

// readMetas returns both meta pages. Page 0 says where page 1 is; when it is damaged the
// place of the other does not matter any more.
func readMetas(r io.ReaderAt) (m0, m1 metaPage, err error) {
	if m0, err = readMeta(r, 0, 0); err != nil {
		return
	}
	m1, err = readMeta(r, 1, m0.pageSize)
	return
}

func readMeta(r io.ReaderAt, page int64, pageSize uint32) (metaPage, error) {
	// magic 4, version 4, page size 4, flags 4, root page 8, root sequence 8, freelist 8,
	// high water mark 8, transaction 8, FNV-1a of all before 8.
	const magic, version, sum, size = 0xED0CDAED, 2, 56, 64
	b := make([]byte, pageHeader+size)
	if _, err := r.ReadAt(b, page*int64(pageSize)); err != nil {
		return metaPage{}, damaged("meta page %d is missing: %w", page, err)
	}
	m := b[pageHeader:]
	h := fnv.New64a()
	h.Write(m[:sum])
	out := metaPage{u32(m[8:]), u64(m[16:]), u64(m[32:]), u64(m[40:]), u64(m[48:])}
	switch {
	case u32(m) != magic || u32(m[4:]) != version || u64(m[sum:]) != h.Sum64():
		return metaPage{}, damaged("meta page %d has a wrong checksum", page)
	case u64(b) != uint64(page) || u16(b[8:]) != metaFlag:
		return metaPage{}, damaged("meta page %d is not marked as one", page)
	case out.pageSize < 1024 || out.pageSize > 1<<24 || out.pageSize&(out.pageSize-1) != 0:
		return metaPage{}, damaged("pages of %d bytes", out.pageSize)
	case pageSize != 0 && out.pageSize != pageSize:
		return metaPage{}, damaged("meta pages disagree on the page size")
	}
	return out, nil
}

// Fields of a page are in the byte order of the machine.
func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

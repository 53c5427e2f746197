package persistence

import (
	"bytes"
	"fmt"
	"io"
)

// pages reads a bbolt file (its format version 2) page by page, without bbolt and without
// mapping it. bbolt trusts what it maps: a damaged page makes it panic, also in goroutines
// where nobody can catch that, fault outside of the map, or follow a circle for ever. Here
// each of these is an error that wraps [ErrCorrupt].
type pages struct {
	r    io.ReaderAt
	size uint64 // of a page
	meta metaPage
	seen []bool // pages that something refers to
}

const (
	pageHeader   = 16 // id 8, flags 2, count 2, overflow 4
	element      = 16 // of a branch: position 4, key size 4, page 8; of a leaf: flags 4, position 4, key size 4, value size 4
	bucketHeader = 16 // root page 8, sequence 8

	branchPage   = 0x01
	leafPage     = 0x02
	metaFlag     = 0x04
	freelistPage = 0x10

	noFreelist = 1<<64 - 1
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// openPages checks both meta pages of a file of length bytes.
func openPages(r io.ReaderAt, length int64) (*pages, error) {
	m0, m1, err := readMetas(r)
	if err != nil {
		return nil, err
	}
	// bbolt writes them in turn. When only one is whole, or one is left behind, bbolt opens
	// silently at an earlier transaction. In a file that was closed, or whose process was
	// killed, both are whole and one transaction apart.
	newest := m0
	if m1.tx > m0.tx {
		newest = m1
	}
	if m0.tx%2 != 0 || m1.tx%2 != 1 || newest.tx-min(m0.tx, m1.tx) != 1 {
		return nil, damaged("meta pages of transactions %d and %d do not follow each other", m0.tx, m1.tx)
	}
	p := &pages{r: r, size: uint64(newest.pageSize), meta: newest}
	if newest.high > uint64(length)/p.size {
		return nil, damaged("it is cut short: %d bytes for %d pages of %d", length, newest.high, p.size)
	}
	p.seen = make([]bool, newest.high)
	return p, nil
}

// page returns the bytes of a page with what it overflows into, and takes note of it.
func (p *pages) page(id uint64) ([]byte, error) {
	if id < 2 || id >= p.meta.high {
		return nil, damaged("there is no page %d", id)
	}
	head := make([]byte, pageHeader)
	if _, err := p.r.ReadAt(head, int64(id*p.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	more := uint64(u32(head[12:]))
	if u64(head) != id || more >= p.meta.high-id {
		return nil, damaged("page %d has a wrong header", id)
	}
	for i := id; i <= id+more; i++ {
		if p.seen[i] {
			return nil, damaged("page %d is used twice", i)
		}
		p.seen[i] = true
	}
	b := make([]byte, (more+1)*p.size)
	if _, err := p.r.ReadAt(b, int64(id*p.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return b, nil
}

// leafFunc is given each element of a leaf; bucket tells that value is a bucket's header.
type leafFunc func(key, value []byte, bucket bool) error

// tree walks the pages under id. Keys are at least low and less than high, when there is
// one: a scan finds all keys however they are ordered, a search only those in their place.
func (p *pages) tree(id uint64, low, high []byte, f leafFunc) error {
	b, err := p.page(id)
	if err != nil {
		return err
	}
	switch u16(b[8:]) {
	case leafPage:
		return leafElements(b, id, low, high, f)
	case branchPage:
	default:
		return damaged("page %d is no page of a tree", id)
	}
	count := int(u16(b[10:]))
	if count == 0 || pageHeader+count*element > len(b) {
		return damaged("page %d has a wrong number of elements", id)
	}
	type child struct {
		key  []byte
		page uint64
	}
	children := make([]child, count)
	for i := range children {
		e := pageHeader + i*element
		at := uint64(e) + uint64(u32(b[e:]))
		key, ok := span(b, count, at, uint64(u32(b[e+4:])))
		if !ok {
			return damaged("element %d of page %d is outside of it", i, id)
		}
		if err := inOrder(id, key, low, high, i > 0); err != nil {
			return err
		}
		children[i], low = child{key, u64(b[e+8:])}, key
	}
	for i, c := range children {
		next := high
		if i+1 < count {
			next = children[i+1].key
		}
		if err := p.tree(c.page, c.key, next, f); err != nil {
			return err
		}
	}
	return nil
}

// leafElements hands out the elements of a leaf page.
func leafElements(b []byte, id uint64, low, high []byte, f leafFunc) error {
	count := int(u16(b[10:]))
	if pageHeader+count*element > len(b) {
		return damaged("page %d has a wrong number of elements", id)
	}
	for i := range count {
		e := pageHeader + i*element
		flags, at := u32(b[e:]), uint64(e)+uint64(u32(b[e+4:]))
		ksize, vsize := uint64(u32(b[e+8:])), uint64(u32(b[e+12:]))
		both, ok := span(b, count, at, ksize+vsize)
		if !ok || flags > 1 {
			return damaged("element %d of page %d is damaged", i, id)
		}
		key := both[:ksize]
		if err := inOrder(id, key, low, high, i > 0); err != nil {
			return err
		}
		if err := f(key, both[ksize:], flags == 1); err != nil {
			return err
		}
		low = key
	}
	return nil
}

// span returns n bytes at a position of a page, behind its table of count elements.
func span(b []byte, count int, at, n uint64) ([]byte, bool) {
	if at < uint64(pageHeader+count*element) || at > uint64(len(b)) || n > uint64(len(b))-at {
		return nil, false
	}
	return b[at : at+n : at+n], true
}

func inOrder(id uint64, key, low, high []byte, after bool) error {
	c := bytes.Compare(key, low)
	if c < 0 || c == 0 && after || high != nil && bytes.Compare(key, high) >= 0 {
		return damaged("the keys of page %d are out of order", id)
	}
	return nil
}

// buckets returns the header of each bucket by name. There are none within others.
func (p *pages) buckets() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := p.tree(p.meta.root, nil, nil, func(name, header []byte, bucket bool) error {
		if !bucket || len(header) < bucketHeader {
			return damaged("%q is no bucket", name)
		}
		out[string(name)] = header
		return nil
	})
	return out, err
}

// each visits the records of a bucket, in order. key and value are valid during the call.
func (p *pages) each(header []byte, visit func(key, value []byte) error) error {
	f := func(key, value []byte, bucket bool) error {
		if bucket {
			return damaged("bucket %q is within another", key)
		}
		return visit(key, value)
	}
	if root := u64(header); root != 0 {
		return p.tree(root, nil, nil, f)
	}
	inline := header[bucketHeader:] // a small bucket is a page inside its header
	if len(inline) < pageHeader || u16(inline[8:]) != leafPage {
		return damaged("a bucket of a few records is damaged")
	}
	return leafElements(inline, 0, nil, nil, f)
}

// free checks the list of free pages, where one is kept, against the pages seen: bbolt
// writes over the pages in it.
func (p *pages) free() error {
	if p.meta.freelist == noFreelist {
		return nil
	}
	b, err := p.page(p.meta.freelist)
	if err != nil {
		return err
	}
	count, ids := uint64(u16(b[10:])), b[pageHeader:]
	if count == 0xFFFF {
		count, ids = u64(ids), ids[8:]
	}
	if u16(b[8:]) != freelistPage || count > uint64(len(ids))/8 {
		return damaged("the list of free pages is damaged")
	}
	for i := range count {
		id := u64(ids[i*8:])
		if id < 2 || id >= p.meta.high || p.seen[id] {
			return damaged("page %d is free and in use", id)
		}
		p.seen[id] = true
	}
	return nil
}

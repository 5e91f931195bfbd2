package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// board is what the list of jobs shows, and when each row of it changed last. Readers ask for what changed since the version
// that they have seen, so that it keeps no copy for each of them.
type board struct {
	epoch string // of this process: versions of another one mean nothing

	mu      sync.Mutex
	version int64
	rows    map[string]*entry // by name
	gone    map[string]int64  // rows that were removed, and the version that removed them
	oldest  int64             // of the versions since which gone is complete
	changed chan struct{}     // closed with the next version
	closed  bool
}

// entry is a row as it is sent.
type entry struct {
	text     json.RawMessage
	sequence int64
	version  int64 // when it changed last
}

// maxGone bounds how many removed rows are remembered. A reader that has missed more gets everything again.
const maxGone = 1000

func newBoard() *board {
	return &board{
		epoch: jsonata.UUID()[:8], version: 1, oldest: 1, rows: map[string]*entry{}, gone: map[string]int64{}, changed: make(chan struct{}),
	}
}

// set replaces the rows.
func (b *board) set(rows []Row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, present := b.version+1, make(map[string]bool, len(rows))
	differs := false
	for _, row := range rows {
		present[row.Name] = true
		text, err := json.Marshal(row)
		if err != nil { // numbers that are none; the row stays as it was
			continue
		}
		if have := b.rows[row.Name]; have != nil && bytes.Equal(have.text, text) {
			continue
		}
		b.rows[row.Name] = &entry{text, row.Sequence, next}
		delete(b.gone, row.Name)
		differs = true
	}
	for name := range b.rows {
		if !present[name] {
			delete(b.rows, name)
			b.gone[name] = next
			differs = true
		}
	}
	if !differs {
		return
	}
	if len(b.gone) > maxGone {
		b.gone, b.oldest = map[string]int64{}, next
	}
	b.version = next
	if !b.closed {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// close tells readers that nothing more comes.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.changed)
	}
}

// update is what a reader is told of the board.
type update struct {
	Full bool              `json:"full,omitempty"` // Rows are all
	Rows []json.RawMessage `json:"rows"`           // the newest first
	Gone []string          `json:"gone,omitempty"` // names
}

// since returns what changed after a version, the version that a reader has then, and a channel that is closed at the next
// change. ok is false when nothing more comes. A version that is too old, or 0, gives everything.
func (b *board) since(version int64) (u update, now int64, next <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u.Full = version < b.oldest || version > b.version
	var list []*entry
	for _, e := range b.rows {
		if u.Full || e.version > version {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(b.sequence, a.sequence) })
	u.Rows = make([]json.RawMessage, len(list))
	for i, e := range list {
		u.Rows[i] = e.text
	}
	for name, at := range b.gone {
		if !u.Full && at > version {
			u.Gone = append(u.Gone, name)
		}
	}
	slices.Sort(u.Gone)
	return u, b.version, b.changed, !b.closed
}

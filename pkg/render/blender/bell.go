package blender

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bell is a FIFO in the folder that Blender may write. Blender rings when it has written a line of its report, or has done a task.
// Looking at its files that often instead takes a noticeable part of a processor for as long as a scene is rendered.
type bell struct {
	path string
	file *os.File
	task chan struct{} // receives a ring for the goroutine that waits for a task to be done
	line chan struct{} // receives a ring for the goroutine that waits for a line of the report
}

const (
	// ringing is the shortest time between two rings. A scene that has taken Blender over may ring without end.
	ringing = 5 * time.Millisecond
	// unrung is how often files are looked at without a ring, because such a scene may also remove the FIFO.
	unrung = 500 * time.Millisecond
)

// newBell makes a bell at path; nil where this file system has none.
func newBell(path string) *bell {
	if unix.Mkfifo(path, 0o600) != nil {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) // open for writing, too, so that it has no end while Blender does not have it open
	if err != nil {
		return nil
	}
	b := &bell{path: path, file: file, task: make(chan struct{}, 1), line: make(chan struct{}, 1)}
	go b.listen()
	return b
}

// listen passes rings on until the bell is closed.
func (b *bell) listen() {
	var rings [512]byte
	for {
		if _, err := b.file.Read(rings[:]); err != nil {
			return
		}
		for _, c := range []chan struct{}{b.task, b.line} {
			select {
			case c <- struct{}{}:
			default: // the last ring has not been received yet
			}
		}
		time.Sleep(ringing)
	}
}

// close ends listening.
func (b *bell) close() {
	if b != nil {
		_ = b.file.Close() // the folder is removed with it
	}
}

// name returns the path of the FIFO; "": there is none.
func (b *bell) name() string {
	if b == nil {
		return ""
	}
	return b.path
}

// forTask returns what a ring sends to, and how often to look besides; without a bell, that is interval.
func (b *bell) forTask(interval time.Duration) (<-chan struct{}, time.Duration) {
	if b == nil {
		return nil, interval
	}
	return b.task, unrung
}

// forLine is like forTask for lines of the report.
func (b *bell) forLine(interval time.Duration) (<-chan struct{}, time.Duration) {
	if b == nil {
		return nil, interval
	}
	return b.line, unrung
}

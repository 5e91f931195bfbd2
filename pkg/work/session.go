package work

import (
	"errors"
	"io"
	"sync"
)

// Session holds what the stages of one run of a job share on one machine, such as programs that stay open between units. A nil Session
// holds nothing.
type Session struct {
	dir string

	mu   sync.Mutex
	held map[any]io.Closer
}

// NewSession returns an empty Session. dir is a private folder for its files, which is made when it is needed.
func NewSession(dir string) *Session { return &Session{dir: dir, held: map[any]io.Closer{}} }

// Hold returns what the session holds under a key, as packages define them for themselves. Where there is nothing yet, open makes it, with
// the session's folder. It is closed with the session.
func (s *Session) Hold(key any, open func(dir string) io.Closer) io.Closer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[key] == nil {
		s.held[key] = open(s.dir)
	}
	return s.held[key]
}

// Close closes everything that the session holds.
func (s *Session) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, c := range s.held {
		errs = append(errs, c.Close())
		delete(s.held, key)
	}
	return errors.Join(errs...)
}

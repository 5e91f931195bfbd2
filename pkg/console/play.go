package console

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player"
)

// outputOf returns an output as the page shows it.
func outputOf(x history.Execution, i int, path string, size int64, frames int) output {
	base := fmt.Sprintf("/play/%s/%d/", url.PathEscape(x.Name), i)
	o := output{Name: filepath.Base(path), Path: path, Size: size, Frames: frames, Play: base}
	switch extension(path) {
	case "m3u8", "mpd", "json": // of many files
	default:
		o.File = base + "media/" + url.PathEscape(o.Name)
	}
	return o
}

// play serves the player's page and the media of an output of a job that has succeeded.
func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	x, err := s.named(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	made := outcomeOf(x).Outputs
	i, err := strconv.Atoi(r.PathValue("output"))
	if err != nil || i < 0 || i >= len(made) {
		return &refusal{http.StatusNotFound, "the job has no such output"}
	}
	if err := local.CheckPath(made[i].URL, s.opts.Roots); err != nil {
		return &refusal{http.StatusForbidden, err.Error()}
	}
	p, err := s.plays.open(made[i].URL+" "+strconv.FormatInt(x.Stopped.UnixMilli(), 10), made[i].URL)
	if kind := fault.KindOf(err); err != nil && (kind == fault.NotFound || kind == fault.Invalid) {
		return &refusal{http.StatusNotFound, err.Error()}
	}
	if err != nil {
		return err
	}
	defer p.release()
	// A film may take hours to download; a browser that reads nothing for a while asks again.
	_ = http.NewResponseController(w).SetWriteDeadline(noDeadline)
	below := r.Clone(r.Context())
	below.URL.Path, below.URL.RawPath = "/"+r.PathValue("path"), ""
	p.ServeGuarded(w, below)
	return nil
}

// maxPlayers bounds the outputs that are open. Opening one again takes milliseconds.
const maxPlayers = 16

// noDeadline is the value of a deadline that is none.
var noDeadline time.Time

// players keeps the outputs open that were asked for last.
type players struct {
	mu   sync.Mutex
	list []*sharedPlayer // the last one used is the last
}

// sharedPlayer is an open output that several requests use.
type sharedPlayer struct {
	*player.Player
	key   string
	owner *players
	users int
	old   bool // no longer in the list
}

// open returns the player of the file at path. key distinguishes it from others that were there.
func (l *players) open(key, path string) (*sharedPlayer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.list, func(p *sharedPlayer) bool { return p.key == key }); i >= 0 {
		p := l.list[i]
		l.list = append(slices.Delete(l.list, i, i+1), p)
		p.users++
		return p, nil
	}
	opened, err := player.Open(path)
	if err != nil {
		return nil, err
	}
	p := &sharedPlayer{Player: opened, key: key, owner: l, users: 1}
	l.list = append(l.list, p)
	if len(l.list) > maxPlayers {
		l.drop(l.list[0])
		l.list = slices.Delete(l.list, 0, 1)
	}
	return p, nil
}

// drop closes a player when its last request has ended. The list is locked.
func (l *players) drop(p *sharedPlayer) {
	p.old = true
	if p.users == 0 {
		_ = p.Close() // it was only read
	}
}

func (p *sharedPlayer) release() {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	if p.users--; p.users == 0 && p.old {
		_ = p.Close() // it was only read
	}
}

// close closes all players.
func (l *players) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.list {
		l.drop(p)
	}
	l.list = nil
}

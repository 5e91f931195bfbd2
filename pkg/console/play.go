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
	o := output{Name: filepath.Base(path), Path: path, Size: size, Frames: frames, Play: base, File: base + "media/" + url.PathEscape(filepath.Base(path))}
	if isPackage(path) {
		o.File, o.Archive = base+archiveFileName, true
	}
	return o
}

// archiveFileName is the last part of the address of an output of many files as one.
const archiveFileName = "package.zip"

// isPackage reports whether an output has many files, of which one lists the others.
func isPackage(path string) bool {
	return slices.Contains([]string{"m3u8", "mpd", "json"}, extension(path))
}

// made is an output of a job that has succeeded.
type made struct {
	job    history.Execution
	path   string
	source string // "" where it is no file of this machine
	facts  outputFacts
	stated outcome
}

// output returns the output that a request names.
func (s *Server) output(r *http.Request) (made, error) {
	x, err := s.named(r.Context(), r.PathValue("name"))
	if err != nil {
		return made{}, err
	}
	stated := outcomeOf(x)
	i, err := strconv.Atoi(r.PathValue("output"))
	if err != nil || i < 0 || i >= len(stated.Outputs) {
		return made{}, &refusal{http.StatusNotFound, "the job has no such output"}
	}
	m := made{job: x, path: stated.Outputs[i].URL, source: rowOf(x).Source, facts: stated.Outputs[i], stated: stated}
	if !filepath.IsAbs(m.source) {
		m.source = ""
	}
	if err := local.CheckPath(m.path, s.opts.Roots); err != nil {
		return made{}, &refusal{http.StatusForbidden, err.Error()}
	}
	return m, nil
}

// play serves the player's page and the media of an output of a job that has succeeded.
func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	m, err := s.output(r)
	if err != nil {
		return err
	}
	path := r.PathValue("path")
	switch path {
	case "source":
		if m.source == "" {
			return &refusal{http.StatusNotFound, "the source is no file of this machine"}
		}
		return s.serveMedia(w, r, m.job, m.source, "media/"+filepath.Base(m.source))
	case "facts.json":
		return s.facts(w, r, m)
	}
	return s.serveMedia(w, r, m.job, m.path, path)
}

// open opens a file that a job used or made.
func (s *Server) open(x history.Execution, file string) (*sharedPlayer, error) {
	if err := local.CheckPath(file, s.opts.Roots); err != nil {
		return nil, &refusal{http.StatusForbidden, err.Error()}
	}
	p, err := s.plays.open(file+" "+strconv.FormatInt(x.Stopped.UnixMilli(), 10), func() (*player.Player, error) {
		folder, err := local.OpenFolder(filepath.Dir(file), s.opts.Roots)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "open the folder of "+file)
		}
		return player.OpenIn(folder, filepath.Base(file))
	})
	if kind := fault.KindOf(err); err != nil && (kind == fault.NotFound || kind == fault.Invalid) {
		err = &refusal{http.StatusNotFound, err.Error()}
	}
	return p, err
}

// serveMedia serves what belongs to a file, at a path of its player.
func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request, x history.Execution, file, path string) error {
	p, err := s.open(x, file)
	if err != nil {
		return err
	}
	defer p.release()
	// A film may take hours to download; a browser that reads nothing for a while asks again.
	_ = http.NewResponseController(w).SetWriteDeadline(noDeadline)
	below := r.Clone(r.Context())
	below.URL.Path, below.URL.RawPath = "/"+path, ""
	p.ServeGuarded(w, below)
	return nil
}

// facts answers with what the bytes of an output say, and what its job knows of it.
func (s *Server) facts(w http.ResponseWriter, r *http.Request, m made) error {
	p, err := s.open(m.job, m.path)
	if err != nil {
		return err
	}
	defer p.release()
	f := p.Facts(r)
	if isPackage(m.path) {
		f.Archive = archiveFileName
	}
	f.Seams, f.Job = m.facts.Seams, "/#/job/"+url.PathEscape(m.job.Name)
	for _, v := range m.facts.Video {
		quality := fmt.Sprintf("CRF %d", v.CRF)
		if q := v.Quality; q != nil {
			quality = fmt.Sprintf("%s %.4g (CRF %v to %v)", q.Metric, q.Mean, q.MinCRF, q.MaxCRF)
		}
		f.Video = append(f.Video, fmt.Sprintf("%d×%d %s, %s, preset %s", v.Width, v.Height, v.Codec, quality, v.Preset))
		if v.FrameRate.Num > 0 && f.Frame == 0 {
			f.Frame = player.Seconds(time.Duration(v.FrameRate.Den) * time.Second / time.Duration(v.FrameRate.Num))
		}
	}
	if m.source != "" && player.CanPlay(m.source) {
		f.Source = "source"
	}
	if m.source != "" && s.opts.Verify != nil && len(m.facts.Video) > 0 {
		f.Verify = "verify"
	}
	player.WriteFacts(w, f)
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

// open returns the player of a file. key distinguishes it from others that were at its path.
func (l *players) open(key string, open func() (*player.Player, error)) (*sharedPlayer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.list, func(p *sharedPlayer) bool { return p.key == key }); i >= 0 {
		p := l.list[i]
		l.list = append(slices.Delete(l.list, i, i+1), p)
		p.users++
		return p, nil
	}
	opened, err := open()
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

// Package player plays a finished output in a browser. It is an HTTP handler that serves the media files
// of a folder, or a single file, and a page that plays them.
//
//	p, err := player.Open("out/film.m3u8")
//	defer p.Close()
//	handler, path := player.Private(p)
//	http.Serve(listener, handler) // a listener on 127.0.0.1; the page is at path
//
// The page loads nothing from other servers: hls.js is embedded, and the Content-Security-Policy forbids
// requests elsewhere. Only media files are served, of what is played only, and none outside the folder.
// Requests with a Host other than this machine are refused, so that a web page cannot read the files
// through a DNS name that it controls (DNS rebinding). Private keeps out other users of this machine,
// who can connect to 127.0.0.1 as well.
package player

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

//go:embed page
var page embed.FS

// types maps extensions to media types. Files with other extensions are not served.
var types = map[string]string{
	".m3u8": "application/vnd.apple.mpegurl", // RFC 8216, 10
	".mpd":  "application/dash+xml",
	".m4s":  "video/iso.segment",
	".mp4":  "video/mp4",
	".m4v":  "video/mp4",
	".m4a":  "audio/mp4",
	".webm": "video/webm",
	".mkv":  "video/x-matroska",
	".mov":  "video/quicktime",
	".vtt":  "text/vtt; charset=utf-8",
}

// policy restricts the page to its own server. hls.js passes media to the browser as blob: URLs, and
// empty subtitles as data: URLs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob: data:; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Player serves a folder and the page that plays it.
type Player struct {
	root    *os.Root
	entries []Entry
	named   parts
	mux     *http.ServeMux
}

// Entry is a file that the page offers to play.
type Entry struct {
	Name string `json:"name"` // path below the folder
	Kind string `json:"kind"` // "hls", "dash", "file" or "preview"
}

// Open returns a player of the file or folder at location. In a folder it offers multivariant playlists
// first, then MPDs, then single files; where there is none, previews. A location that does not exist gives fault.NotFound, one without
// a playable file fault.Invalid.
func Open(location string) (*Player, error) {
	info, err := os.Stat(location)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s does not exist", location)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open "+location)
	}
	folder, name := location, ""
	if !info.IsDir() {
		folder, name = filepath.Dir(location), filepath.Base(location)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "open "+folder)
	}
	return open(root, name, location)
}

// OpenIn returns a player of a file in an open folder, which the player closes.
func OpenIn(root *os.Root, name string) (*Player, error) {
	info, err := root.Stat(name)
	if err == nil && info.IsDir() {
		err = fault.New(fault.Invalid, "%s is a folder", name)
	}
	if err != nil {
		_ = root.Close()
		return nil, fault.Wrap(fault.KindOf(err), err, "open "+name)
	}
	return open(root, name, name)
}

// open returns a player of a file, or with an empty name of a folder. location is what messages call it.
func open(root *os.Root, name, location string) (p *Player, err error) {
	if name != "" && types[strings.ToLower(path.Ext(name))] == "" && !isPreviews(name) {
		_ = root.Close()
		return nil, fault.WithHint(fault.New(fault.Invalid, "a browser cannot play %s", location), "give a .m3u8, .mp4 or .webm file, or its folder")
	}
	p = &Player{root: root, mux: http.NewServeMux()}
	if name != "" {
		p.entries = []Entry{{Name: name, Kind: kind(name)}}
	} else if p.entries, err = entries(root); err != nil {
		_ = root.Close()
		return nil, err
	}
	if name == "" && len(p.entries) == 0 {
		if p.entries, err = previews(root); err != nil {
			_ = root.Close()
			return nil, err
		}
	}
	if len(p.entries) == 0 {
		_ = root.Close()
		return nil, fault.WithHint(fault.New(fault.Invalid, "no file in %s can be played", location), "give the folder that holds the .m3u8, .mp4 or .webm file")
	}
	p.named = named(root, p.entries)
	main := "page.html"
	if p.entries[0].Kind == previewKind {
		main = "previews.html"
	}
	p.mux.HandleFunc("GET /{$}", asset(main))
	for _, name := range []string{"shared.js", "page.js", "film.js", "film.css", "page.css", "hls.min.js", "previews.js", "previews.css", "thumbnails.js"} {
		p.mux.HandleFunc("GET /"+name, asset(name))
	}
	p.mux.HandleFunc("GET /entries.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.entries) // fails only if the browser closed the connection
	})
	p.mux.HandleFunc("GET /facts.json", p.facts)
	p.mux.HandleFunc("GET /media/{path...}", p.media)
	return p, nil
}

// CanPlay reports whether a file is of a kind that browsers may play.
func CanPlay(name string) bool {
	kind := types[strings.ToLower(path.Ext(name))]
	return strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/")
}

// Entries returns the files that the page offers, the preferred one first.
func (p *Player) Entries() []Entry { return slices.Clone(p.entries) }

// Close closes the folder.
func (p *Player) Close() error { return p.root.Close() }

// kind returns the Kind of an entry.
func kind(name string) string {
	if isPreviews(name) {
		return previewKind
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".m3u8":
		return "hls"
	case ".mpd":
		return "dash"
	}
	return "file"
}

// entries lists the entries directly in a folder. Media playlists and the segments of a package are not
// entries. If the folder holds a package, its single files are not either.
func entries(root *os.Root) ([]Entry, error) {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "list the folder")
	}
	var out []Entry
	packaged := false
	for _, f := range files {
		ext := strings.ToLower(path.Ext(f.Name()))
		if !f.Type().IsRegular() || types[ext] == "" || ext == ".vtt" || ext == ".m4s" {
			continue
		}
		e := Entry{Name: f.Name(), Kind: kind(f.Name())}
		if e.Kind == "hls" {
			text, err := head(root, f.Name(), recognisable)
			if err != nil || !bytes.Contains(text, []byte("#EXT-X-STREAM-INF")) {
				continue
			}
		}
		packaged = packaged || e.Kind != "file"
		out = append(out, e)
	}
	if packaged {
		out = slices.DeleteFunc(out, func(e Entry) bool { return e.Kind == "file" })
	}
	order := []string{"hls", "dash", "file"}
	slices.SortStableFunc(out, func(a, b Entry) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return out, nil
}

// recognisable is the number of bytes at the start of a file that are enough to recognise a multivariant playlist.
const recognisable = 64 << 10

// head returns the first limit bytes of a file.
func head(root *os.Root, name string, limit int64) ([]byte, error) {
	f, _, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, limit))
}

// openRegular opens a file, which must be a regular one. It does not wait for the writer of a FIFO.
func openRegular(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0) // os.Root refuses paths and links that lead out
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is not a regular file", name)
	}
	if err != nil {
		_ = f.Close() // nothing was read
		return nil, nil, err
	}
	return f, info, nil
}

// ServeHTTP serves the page and the media, under the names of this machine only.
func (p *Player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if !local(r.Host) {
		http.Error(w, "this player answers on 127.0.0.1 and localhost only", http.StatusForbidden)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// ServeGuarded serves the page and the media without checking the token or the Host header. The caller must have checked the
// request.
func (p *Player) ServeGuarded(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	p.mux.ServeHTTP(w, r)
}

// protect tells browsers what the page and the media must not be used for.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// local reports whether a Host header names this machine.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return name == "localhost" || name == "127.0.0.1" || name == "::1"
}

// asset serves a file of the page.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := page.ReadFile("page/" + name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// cacheControl returns the Cache-Control of a package's file, as S3 sends it. Of other files it returns
// "": they are not cached, because the next output may have the same name.
func (p *Player) cacheControl(name string) string {
	for _, e := range p.entries {
		if e.Kind == "file" {
			continue
		}
		if name == e.Name {
			return film.CacheBriefly
		}
		rest, ok := strings.CutPrefix(name, strings.TrimSuffix(e.Name, path.Ext(e.Name))+"/")
		if folder, _, deeper := strings.Cut(rest, "/"); ok && deeper && film.IsMediaFolder(folder) {
			return film.CacheForever
		}
	}
	return ""
}

// media serves a media file.
func (p *Player) media(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	kind := types[strings.ToLower(path.Ext(name))]
	if kind == "" {
		kind = p.pictureType(name)
	}
	if kind == "" || !fs.ValidPath(name) || !p.belongs(name) {
		http.NotFound(w, r)
		return
	}
	f, info, err := openRegular(p.root, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close() //nolint:errcheck // only read
	w.Header().Set("Content-Type", kind)
	if control := p.cacheControl(name); control != "" {
		w.Header().Set("Cache-Control", control)
	}
	http.ServeContent(w, r, "", info.ModTime(), f)
}

package player

import (
	"bufio"
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxPlaylist bounds the bytes of a playlist that are read for the files that it names: some 100,000 segments.
	maxPlaylist = 8 << 20
	// maxPlaylists bounds the number of playlists that are read. A package has one for each rendition.
	maxPlaylists = 1000
)

// uriAttribute matches the URI of a tag: of a rendition, an initialization section, a key.
var uriAttribute = regexp.MustCompile(`[:,]URI="([^"]*)"`)

// belongs reports whether a file is a part of what is played: an entry, a file in the media folder of a package, which is
// named after the package, or one that a playlist names. The folder may hold other films, which were not meant to be served.
func (p *Player) belongs(name string) bool {
	if p.named.files[name] || slices.ContainsFunc(p.named.patterns, func(r *regexp.Regexp) bool { return r.MatchString(name) }) {
		return true
	}
	for _, e := range p.entries {
		if e.Kind != "file" && strings.HasPrefix(name, strings.TrimSuffix(e.Name, path.Ext(e.Name))+"/") {
			return true
		}
	}
	return false
}

// parts is what the entries of a player consist of.
type parts struct {
	files    map[string]bool  // paths below the folder
	patterns []*regexp.Regexp // of paths: what the templates of an MPD stand for
}

// named returns the entries and the files that they name, directly or through playlists. Packages of other programs keep
// their segments where they like.
func named(root *os.Root, entries []Entry) parts {
	found := map[string]bool{}
	var playlists []string
	var patterns []*regexp.Regexp
	add := func(name string) {
		if found[name] || !fs.ValidPath(name) {
			return
		}
		found[name] = true
		if kind(name) == "hls" {
			playlists = append(playlists, name)
		}
	}
	for _, e := range entries {
		add(e.Name)
		if e.Kind != "dash" {
			continue
		}
		text, err := head(root, e.Name, maxPlaylist)
		if err != nil {
			continue // it is missing, and the page will say so
		}
		addresses := readMPD(e.Name, text)
		for _, name := range addresses.files {
			add(name)
		}
		patterns = append(patterns, addresses.patterns()...)
	}
	for read := 0; read < len(playlists) && read < maxPlaylists; read++ {
		text, err := head(root, playlists[read], maxPlaylist)
		if err != nil {
			continue // it is missing, and the page will say so
		}
		for _, uri := range uris(text) {
			if u, err := url.Parse(uri); err == nil && u.Scheme == "" && u.Host == "" {
				add(path.Join(path.Dir(playlists[read]), u.Path))
			}
		}
	}
	return parts{found, patterns}
}

// uris returns the URIs in a playlist (RFC 8216, 4): the lines that are neither tags nor comments, and those in attributes.
func uris(playlist []byte) (list []string) {
	lines := bufio.NewScanner(bytes.NewReader(playlist))
	lines.Buffer(nil, maxPlaylist+1)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "":
		case !strings.HasPrefix(line, "#"):
			list = append(list, line)
		default:
			for _, m := range uriAttribute.FindAllStringSubmatch(line, -1) {
				list = append(list, m[1])
			}
		}
	}
	return list
}

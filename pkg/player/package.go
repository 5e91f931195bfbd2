package player

import (
	"bufio"
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
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
	if p.named[name] {
		return true
	}
	for _, e := range p.entries {
		if e.Kind != "file" && strings.HasPrefix(name, strings.TrimSuffix(e.Name, path.Ext(e.Name))+"/") {
			return true
		}
	}
	return false
}

// named returns the entries and the files that they name, directly or through playlists. Packages of other programs keep
// their segments where they like.
func named(root *os.Root, entries []Entry) map[string]bool {
	found := map[string]bool{}
	var playlists []string
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
	return found
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

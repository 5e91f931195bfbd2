package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/origin"
)

// serverPlaces tells the files that a server can read from those that are uploaded to it.
type serverPlaces struct {
	client.Places
	here bool   // the server is on this machine, so that paths mean the same
	dir  string // that relative paths begin in
	send map[string]bool
}

// placesOf asks a server for its folders. One that does not say takes no uploads.
func placesOf(ctx context.Context, server *client.Client, here bool, dir string) (*serverPlaces, error) {
	p := &serverPlaces{here: here, dir: dir, send: map[string]bool{}}
	var err error
	if p.Places, err = server.Places(ctx); err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	return p, nil
}

// source returns the path of a file that a user names: on the server, or on this machine if it is to be sent.
func (p *serverPlaces) source(s string) (string, error) {
	if p.here && (p.Uploads == "" || origin.OnWeb(s) || origin.InS3(s)) {
		return requestflags.On(p.dir).Source(s)
	}
	if origin.OnWeb(s) || origin.InS3(s) {
		return s, nil
	}
	file, err := requestflags.LocalPath(s, p.dir)
	if err != nil {
		return "", err
	}
	_, sequence := media.ParsePattern(s)
	alone := !sequence && !film.IsScene(s) // it needs no other files
	switch {
	case p.here:
		info, err := os.Stat(file)
		if alone && local.CheckPath(file, p.Roots) != nil && err == nil && info.Mode().IsRegular() {
			p.send[file] = true
		}
	case !filepath.IsAbs(s) && !strings.Contains(s, "://") && !alone:
		return "", fmt.Errorf("%s is not one file, and a server on another machine is sent single files: give its path there", s)
	case below(file, p.Roots) && (filepath.IsAbs(s) || strings.Contains(s, "://")), !alone:
	case p.Uploads == "":
		return pathThere(s)
	default:
		p.send[file] = true
	}
	return file, nil
}

// destination returns the path on the server of an output that a user names.
func (p *serverPlaces) destination(s string) (string, error) {
	if p.here {
		return requestflags.On(p.dir).Destination(s)
	}
	if p.Uploads == "" || filepath.IsAbs(s) || strings.Contains(s, "://") {
		return pathThere(s)
	}
	if !filepath.IsLocal(s) {
		return "", errors.New(s + " does not lie below the folder for outputs of the server: give a relative path without .., or the path there")
	}
	return path.Join(p.Uploads, "out", filepath.ToSlash(s)), nil
}

// below reports whether a path lies in one of the folders of another machine, as far as names tell.
func below(file string, roots []string) bool {
	for _, root := range roots {
		if rest, err := filepath.Rel(root, file); err == nil && !strings.Contains(root, "://") && filepath.IsLocal(rest) {
			return true
		}
	}
	return false
}

// Package drawn prepares what a job drew over its frames, so that verify can draw the same over those of the source.
package drawn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/burnin"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// Names in the folder.
const (
	burnScript = "burn1"
	burnFonts  = "fonts"
	pixelsFile = "pixels"
)

// read reads a file of at most limit bytes. flag says where else it may be.
func read(url string, limit int64, flag string) ([]byte, error) {
	path := strings.TrimPrefix(url, "file://")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.WithHint(fault.New(fault.Invalid, "cannot read %s: no such file", path), flag+" says where it is")
	case err == nil && info.Size() > limit:
		return nil, fault.New(fault.Invalid, "%s is larger than %d MiB", path, limit>>20)
	}
	data, err := os.ReadFile(path)
	return data, fault.Wrap(fault.KindOf(err), err, "read "+path)
}

// Pixels writes the pixels of an overlay to a folder, and returns where they are, with the size of the image.
func Pixels(l overlay.Laid, folder string) (overlay.Laid, string, error) {
	data, err := read(l.Image, overlay.MaxFile, "--overlay")
	if err != nil {
		return l, "", err
	}
	if sum := sha256.Sum256(data); l.Digest != "" && l.Digest != hex.EncodeToString(sum[:]) {
		return l, "", fault.New(fault.Invalid, "%s is not the overlay that the job had: it has changed since", l.Image)
	}
	pixels, err := overlay.Pixels(data, l.Opacity)
	if err != nil {
		return l, "", fault.Wrap(fault.Invalid, err, l.Image)
	}
	l.Size, _ = overlay.Size(data) // Pixels has checked it
	path := filepath.Join(folder, pixelsFile)
	return l, path, os.WriteFile(path, pixels, 0o600)
}

// Script writes the script of subtitles to a folder, all later by delay. in is how ffmpeg reads those of a track.
func Script(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, b film.BurntSubtitles, delay time.Duration, folder string, limits ffmpeg.Limits) (ffmpeg.Burn, error) {
	var none ffmpeg.Burn
	files := burnin.Files(b.Stream, folder)
	if files.Input = in; b.File != "" {
		data, err := read(b.File, subtitle.MaxFile, "--burn-subtitles")
		if err != nil {
			return none, err
		}
		format, err := subtitle.FormatOf(data)
		if err != nil {
			return none, fault.Wrap(fault.Invalid, err, b.File)
		}
		files.Input, b.Codec = ffmpeg.Input{Location: strings.TrimPrefix(b.File, "file://"), Demuxer: format.Demuxer()}, string(format)
	}
	script, err := burnin.Read(ctx, tools, files, b.Codec != string(subtitle.ASS), ffmpeg.RunOptions{Dir: folder, Limits: limits})
	if err != nil {
		return none, err
	}
	return ffmpeg.Burn{Script: burnScript, Fonts: burnFonts}, errors.Join(burnin.WriteFonts(filepath.Join(folder, burnFonts)),
		os.WriteFile(filepath.Join(folder, burnScript), script.Moved(delay), 0o600))
}

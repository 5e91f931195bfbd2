package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
)

// codec is an encoder that requests can ask for.
type codec struct {
	name    string // as in a request
	encoder string // as in ffmpeg
	audio   bool
	// needed says that a request with nothing but defaults uses it. Without the others, mapreel works for those who do not
	// ask for them.
	needed bool
}

// codecs returns the codecs of requests. Those of GPUs are not among them: a machine without one is nothing to warn of.
func codecs() []codec {
	var list []codec
	for _, name := range []film.VideoCodec{film.H264, film.H265, film.VP9, film.AV1} {
		encoder, _ := encode.Encoder(string(name), false)
		list = append(list, codec{name: string(name), encoder: encoder, needed: name == film.H264})
	}
	for _, name := range []film.AudioCodec{film.AAC, film.Opus} {
		encoder, _ := encode.AudioEncoder(string(name))
		list = append(list, codec{name: string(name), encoder: encoder, audio: true, needed: name == film.AAC})
	}
	return list
}

// filters are ffmpeg's filters that some sources need, and for what. ffmpeg builds itself with all the others.
var filters = []struct{ name, use string }{
	{"zscale", "HDR sources cannot be tone-mapped to h264"},
	{"bwdif", "interlaced sources cannot be deinterlaced"},
}

// examineFFmpeg finds ffmpeg, and encodes a few frames with each encoder: a build may list an encoder whose library is broken.
func (r *Report) examineFFmpeg(ctx context.Context, find func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error)) {
	tools, err := find(ctx, ffmpeg.FindOptions{})
	if err == nil {
		err = tools.RequireFFprobe(ctx)
	}
	if err != nil {
		r.add("ffmpeg", Failure, text(err), fault.HintOf(err))
		return
	}
	r.add("ffmpeg", OK, fmt.Sprintf("%s (%s)", tools.Version, tools.FFmpeg), "")
	for _, c := range codecs() {
		name := "encoder " + c.name
		err := tools.Require(ctx, []string{c.encoder})
		if err == nil {
			err = try(ctx, tools, c)
		}
		level := Warning
		if c.needed {
			level = Failure
		}
		if err != nil {
			r.add(name, level, text(err), fault.HintOf(err))
			continue
		}
		r.add(name, OK, c.encoder, "")
	}
	for _, f := range filters {
		switch has, err := tools.HasFilter(ctx, f.name); {
		case err != nil:
			r.add("filter "+f.name, Warning, text(err), fault.HintOf(err))
		case !has:
			r.add("filter "+f.name, Warning, fmt.Sprintf("ffmpeg %s was built without it: %s", tools.Version, f.use), "install a full build of ffmpeg")
		}
	}
}

// try encodes a tenth of a second of nothing.
func try(ctx context.Context, tools ffmpeg.Tools, c codec) error {
	args := []string{"-hide_banner", "-nostdin", "-v", "error"}
	if c.audio {
		args = append(args, "-f", "s16le", "-ar", "48000", "-ac", "2", "-t", "0.1", "-i", "/dev/zero", "-c:a", c.encoder)
	} else {
		args = append(args, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x192", "-r", "25", "-t", "0.1", "-i", "/dev/zero", "-c:v", c.encoder)
	}
	_, err := ffmpeg.Output(ctx, tools.FFmpeg, append(args, "-f", "null", "-"), 1<<10, budget.Probe())
	return fault.Wrap(fault.Unsupported, err, "encode with "+c.encoder)
}

// text returns an error in one line, without Go's own words for a program that is not there.
func text(err error) string {
	if missing, ok := errors.AsType[*exec.Error](err); ok && errors.Is(missing, exec.ErrNotFound) {
		return missing.Name + " is not installed, or not in PATH"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

package encoderoption_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/encoderoption"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
)

func TestOptionsAreAllowedByNameAndValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoder, text, want string }{
		{"libx264", "", ""},
		{"libx264", "aq-mode=3:psy-rd=1.0,0.15:me=umh:deblock=-1,-1", ""},
		{"libx264", "keyint=48", "keyint cannot be set: mapreel sets the keyframes, at which segments begin and players cut"},
		{"libx264", "no-scenecut=1", "no-scenecut cannot be set: mapreel sets the keyframes, at which segments begin and players cut"},
		{"libx264", "sync-lookahead=20", "sync-lookahead cannot be set: a look-ahead on a thread of its own gives other bytes in each run"},
		{"libx264", "stats=/etc/passwd", "stats cannot be set: each segment is encoded once"},
		{"libx264", "qpfile=a", "qpfile cannot be set: encoders read and write no files of their own"},
		{"libx264", "nr=200", "nr cannot be set: it learns from the frames before, of which a segment has none, so that segments would meet at visible seams; use a filter"},
		{"libx264", "aq-mode=7", `aq-mode: "7" is not a whole number from 0 to 3`},
		{"libx264", "aq-mode=3:aq-mode=2", "aq-mode is set twice"},
		{"libx264", "psy-rd=1,2,3", `psy-rd: "1,2,3" is not one to 2 values with commas between them, each allowed`},
		{"libx264", "me=evil", `me: "evil" is not one of dia, hex, umh, esa, tesa`},
		{"libx264", "qcomp=NaN", `qcomp: "NaN" is not a number from 0 to 1`},
		{"libx264", "b_adapt=2", "b_adapt is called b-adapt here"},
		{"libx264", "no-mbtree=1", "no-mbtree: write mbtree=0"},
		{"libx264", "mbtree", `"mbtree" is not of the form key=value, such as aq-mode=3; options are separated by colons, and parts of a value by commas`},
		{"libx265", "open-gop=1", "open-gop cannot be set: mapreel sets the keyframes, at which segments begin and players cut"},
		{"libx265", "frame-threads=3", "frame-threads cannot be set: another number of threads gives other bytes; compute.threads sets it"},
		{"libsvtav1", "film-grain=8", "film-grain cannot be set: grain sets it"},
		{"libvpx-vp9", "tune=1", "tune cannot be set: libvpx has one tuning for VP9"},
		{"nvenc", "speed=1", "speed cannot be set: preset sets it"},
		{"nvenc", "turbo=1", `"turbo" is not an option of nvenc that can be set; there are: aq-strength, b_ref_mode, bf, multipass, qmax, qmin, rc-lookahead, spatial-aq, temporal-aq`},
		{"libx264", strings.Repeat("a", 2000), "more than 1000 characters"},
	} {
		_, err := encoderoption.Parse(c.encoder, c.text)
		if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
			t.Errorf("%s %.40s: %s, want %s", c.encoder, c.text, got, c.want)
		}
	}
}

// Each value must be one that the encoder takes: ffmpeg only warns of others, and encodes without them.
func TestTheEncodersTakeEveryOption(t *testing.T) {
	tools := ffmpegtest.Find(t)
	args := []string{"-v", "warning", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=24:duration=0.1"}
	for _, c := range []struct{ encoder, option, text string }{
		{"libx264", "-x264-params", "ref=2:bframes=2:b-adapt=1:b-bias=1:b-pyramid=strict:weightb=1:weightp=1:deblock=-1,1:cabac=1:qpmin=1:qpmax=50:qpstep=3:qcomp=0.7:" +
			"crf-max=40:ipratio=1.3:pbratio=1.2:chroma-qp-offset=-2:aq-mode=3:aq-strength=0.8:mbtree=1:partitions=p8x8,i4x4:direct=auto:me=umh:merange=16:subme=6:psy=1:" +
			"psy-rd=1.0,0.15:mixed-refs=0:chroma-me=1:8x8dct=1:trellis=1:fast-pskip=0:dct-decimate=0:deadzone-inter=10:deadzone-intra=6:rc-lookahead=10"},
		{"libx265", "-x265-params", "ref=2:bframes=2:b-adapt=1:bframe-bias=1:b-pyramid=0:b-intra=1:weightp=1:weightb=1:deblock=-1,1:sao=0:sao-non-deblock=0:limit-sao=0:selective-sao=0:" +
			"qpmin=1:qpmax=50:qpstep=3:qcomp=0.7:crf-max=40:crf-min=4:ipratio=1.3:pbratio=1.2:cbqpoffs=1:crqpoffs=-1:aq-mode=3:aq-strength=0.8:aq-motion=0:cutree=1:qg-size=16:" +
			"psy-rd=1.5:psy-rdoq=2:rdoq-level=1:rd=3:rd-refine=0:rskip=1:rect=1:amp=1:limit-modes=1:limit-refs=1:limit-tu=1:tu-intra-depth=2:tu-inter-depth=2:ctu=32:" +
			"min-cu-size=8:max-tu-size=16:me=star:subme=2:merange=30:max-merge=2:early-skip=1:fast-intra=1:tskip=1:tskip-fast=1:signhide=1:strong-intra-smoothing=0:" +
			"constrained-intra=1:temporal-mvp=0:rc-lookahead=10"},
		{"libvpx-vp9", "", "auto-alt-ref=1:lag-in-frames=10:arnr-maxframes=5:arnr-strength=3:sharpness=1:aq-mode=2:tile-columns=1:tile-rows=1:frame-parallel=0:tune-content=1:" +
			"static-thresh=10:max-intra-rate=300:enable-tpl=1:qmin=4:qmax=50"},
		{"libsvtav1", "-svtav1-params", "tune=0:film-grain-denoise=0:enable-tf=0:aq-mode=2:enable-qm=1:qm-min=2:qm-max=15:scm=1:tile-columns=1:tile-rows=0:fast-decode=0:lookahead=20:" +
			"min-qp=2:max-qp=60:hierarchical-levels=4:enable-cdef=1:enable-restoration=0:enable-dlf=1:enable-mfmv=0"},
	} {
		list, err := encoderoption.Parse(c.encoder, c.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range encoderoption.Keys(c.encoder) {
			if encoderoption.Value(list, key) == "" {
				t.Errorf("%s: %s is not tried", c.encoder, key)
			}
		}
		args = append(args, "-map", "0", "-c:v", c.encoder, "-crf", "30")
		if c.option != "" {
			args = append(args, c.option, c.text)
		} else {
			for _, o := range list {
				args = append(args, "-"+o.Key, o.Value)
			}
		}
		args = append(args, "-f", "null", "-")
	}
	out, err := exec.CommandContext(t.Context(), tools.FFmpeg, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, complaint := range []string{"Error parsing", "Unknown option", "Invalid value"} {
		if bytes.Contains(out, []byte(complaint)) {
			t.Errorf("ffmpeg says:\n%s", out)
		}
	}
}

package filter_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
)

func TestFiltersAreAllowedByNameAndArguments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "",
		"eq=contrast=1.1:gamma=0.9,hflip":     "",
		"curves=all=0/0 0.5/0.6 1/1":          "",
		"lutyuv=y=maxval-val":                 "",
		"hqdn3d=4":                            "hqdn3d cannot be used: it mixes each frame with all frames before it, so that segments would meet at visible seams, whatever their run-up; vaguedenoiser and nlmeans denoise each frame alone",
		"tmix=frames=3":                       "tmix cannot be used: it mixes neighbouring frames, which a segment lacks at its ends; vaguedenoiser and nlmeans denoise each frame alone",
		"movie=/etc/passwd":                   "movie cannot be used: it reads or writes files, or other inputs",
		"eq,sendcmd=f=x":                      "sendcmd cannot be used: it takes commands from elsewhere",
		"metadata=mode=print:file=/x":         "metadata cannot be used: it reads or writes files, or other inputs",
		"drawtext=textfile=/etc/passwd":       "drawtext cannot be used: it reads or writes files, or other inputs",
		"scale=100:100":                       "scale cannot be used: it changes the frame's size or shape; height, crop and pad do",
		"curves=psfile=/etc/passwd":           `curves: "psfile" is not an argument that can be set; there are: all, blue, green, master, preset, red`,
		"eq=contrast=random(0)":               `eq: contrast: "random(0)" is not a number from -2 to 2`,
		"eq=eval=frame":                       `eq: "eval" is not an argument that can be set; there are: brightness, contrast, gamma, gamma_b, gamma_g, gamma_r, gamma_weight, saturation`,
		"eq=contrast=1.1:enable=gt(t\\,3)":    `eq: "enable" is not an argument that can be set; there are: brightness, contrast, gamma, gamma_b, gamma_g, gamma_r, gamma_weight, saturation`,
		"lutyuv=y=random(1)":                  `lutyuv: y: "random(1)" is not arithmetic over val, negval, clipval, maxval and minval`,
		"hflip[a];[a]null":                    `"hflip[a];[a]null" is not the name of a filter; filters are written name=argument=value:argument=value, with commas between them`,
		"eq=1.1":                              `eq: "1.1" is not of the form name=value`,
		"eq=gamma=1:gamma=2":                  "eq: gamma is set twice",
		"chromanr":                            "chromanr is not a filter that is known to need one frame alone; there are: " + strings.Join(filter.Names(), ", "),
		strings.Repeat("hflip,", 8) + "hflip": "9 filters; at most 8",
	} {
		_, err := filter.Parse(text)
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestRGBFiltersStandBetweenConversions(t *testing.T) {
	t.Parallel()
	c, err := filter.Parse("hflip,curves=preset=lighter,vibrance=intensity=1,unsharp=la=1")
	if err != nil {
		t.Fatal(err)
	}
	const flags = ":flags=bicubic+accurate_rnd+full_chroma_int"
	want := []string{
		"hflip", "scale=in_color_matrix=bt709:in_range=tv" + flags, "format=gbrp10le", "curves=preset=lighter", "vibrance=intensity=1",
		"scale=out_color_matrix=bt709:out_range=tv" + flags, "format=yuv420p10le", "unsharp=la=1",
	}
	if got := c.Graph(filter.Colours{Matrix: "bt709", Range: "tv", Format: "yuv420p10le"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// all has every filter with every argument.
var all = map[string]string{
	"eq": "contrast=1.1:brightness=0.1:saturation=1.2:gamma=1.1:gamma_r=1.1:gamma_g=0.9:gamma_b=1:gamma_weight=0.9", "hue": "h=10:s=1.1:b=0.1", "lutyuv": "y=val*1.1:u=maxval+minval-val:v=negval",
	"negate": "", "curves": "preset=vintage:master=0/0 1/1:red=0/0 0.5/.6 1/1:green=0/0 1/1:blue=0/0 1/1:all=0/0 1/1",
	"colorbalance": "rs=.1:gs=.1:bs=.1:rm=.1:gm=.1:bm=.1:rh=.1:gh=.1:bh=.1:pl=1", "colorchannelmixer": "rr=.9:rg=.1:rb=0:gr=0:gg=1:gb=0:br=0:bg=0:bb=1",
	"colortemperature": "temperature=5000:mix=.5:pl=.5", "vibrance": "intensity=.5:rbal=1:gbal=1:bbal=1", "unsharp": "lx=3:ly=5:la=1:cx=3:cy=3:ca=.5", "cas": "strength=.5",
	"boxblur": "lr=1:lp=1:cr=1:cp=1", "gblur": "sigma=1:steps=2:sigmaV=1", "avgblur": "sizeX=2:sizeY=2", "smartblur": "lr=1:ls=.5:lt=2:cr=1:cs=.5:ct=2",
	"median": "radius=1:radiusV=1:percentile=.5", "nlmeans": "s=2:p=3:pc=3:r=5:rc=5", "vaguedenoiser": "threshold=2:method=soft:nsteps=3:percent=80:type=bayes",
	"deband": "1thr=.02:2thr=.02:3thr=.02:range=8:blur=1:coupling=0", "deblock": "filter=weak:block=8:alpha=.1:beta=.05:gamma=.05:delta=.05", "delogo": "x=8:y=8:w=16:h=16", "hflip": "", "vflip": "",
}

// ffmpeg must take every argument, and must not convert 10 bits to 8 for a filter that is said to have 10: it does so silently.
func TestFFmpegTakesEveryFilterInTheBitsItIsSaidToHave(t *testing.T) {
	args := []string{"-v", "verbose", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=24:duration=0.1,format=yuv420p10le", "-filter_complex"}
	var deep, shallow []string
	for _, name := range filter.Names() {
		c, err := filter.Parse(strings.TrimSuffix(name+"="+all[name], "="))
		if err != nil {
			t.Fatal(err)
		}
		for option := range strings.SplitSeq(filter.Options(name), " ") {
			if option != "" && !strings.Contains(":"+all[name], ":"+option+"=") {
				t.Errorf("%s: %s is not tried", name, option)
			}
		}
		if c.Shallow() == "" {
			deep = append(deep, c.Graph(filter.Colours{Matrix: "bt709", Range: "tv", Format: "yuv420p10le"})...)
		} else {
			shallow = append(shallow, c.Graph(filter.Colours{Matrix: "bt709", Range: "tv", Format: "yuv420p"})...)
		}
	}
	args = append(args, "split[a][b];[a]"+strings.Join(deep, ",")+",format=yuv420p10le[c];[b]scale,format=yuv420p,"+strings.Join(shallow, ",")+",format=yuv420p[d]",
		"-map", "[c]", "-f", "null", "-", "-map", "[d]", "-f", "null", "-")
	out, err := exec.CommandContext(t.Context(), ffmpegtest.Find(t).FFmpeg, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "auto-inserting filter") {
			t.Errorf("%s", line)
		}
	}
}

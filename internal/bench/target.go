package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
)

// targeted is what an encode by a target quality gave, or one of a whole film at one CRF, measured in the same way.
type targeted struct {
	usage  usage
	bytes  float64
	report film.QualityReport
}

// targets prints what a target quality saves against one CRF for the whole film at the same mean quality, for each of the codecs.
func (b bench) targets(ctx context.Context, source string, codecs []string, xpsnr float64, flags string) error {
	if source == "" {
		source = footage
	}
	rows := [][]string{{"codec", "", "CRF", "bytes", "mean, dB", "worst segment, dB", "encodes of a segment", "drafts", "CPU, s"}}
	for _, codec := range codecs {
		encode := func(how ...string) (targeted, error) {
			return b.encodeTargeted(ctx, source, append(append([]string{"--codec", codec, "--audio", "none"}, strings.Fields(flags)...), how...))
		}
		own, err := encode("--target", fmt.Sprintf("xpsnr=%v", xpsnr))
		if err != nil {
			return err
		}
		one, crf, err := equalQuality(own.report, func(crf int) (targeted, error) {
			return encode("--target", fmt.Sprintf("xpsnr=%v,%d-%d", xpsnr, crf, crf))
		})
		if err != nil {
			return err
		}
		var plain usage
		own.usage, plain, err = inTurns(func() (targeted, error) {
			return encode("--target", fmt.Sprintf("xpsnr=%v", xpsnr))
		}, func() (targeted, error) {
			return encode("--crf", fmt.Sprint(int(math.Round(crf))))
		})
		if err != nil {
			return err
		}
		row := func(name, crf string, t targeted, u usage) {
			segments := float64(max(len(t.report.Segments), 1))
			rows = append(rows, []string{
				codec, name, crf, fmt.Sprintf("%.0f", t.bytes), fmt.Sprintf("%.2f", t.report.Mean), fmt.Sprintf("%.2f", t.report.Worst),
				fmt.Sprintf("%.1f", float64(t.report.Probes)/segments), fmt.Sprintf("%.1f", float64(t.report.Drafts)/segments), fmt.Sprintf("%.1f", u.cpu.Seconds()),
			})
		}
		row("one CRF", fmt.Sprintf("%.2f", crf), one, plain)
		row("target", fmt.Sprintf("%v to %v", own.report.MinCRF, own.report.MaxCRF), own, own.usage)
		rows = append(rows, []string{
			codec, "difference", "", fmt.Sprintf("%+.1f %%", 100*(own.bytes/one.bytes-1)), fmt.Sprintf("%+.2f", own.report.Mean-one.report.Mean),
			fmt.Sprintf("%+.2f", own.report.Worst-one.report.Worst), "", "", fmt.Sprintf("%.2f ×", own.usage.cpu.Seconds()/plain.cpu.Seconds()),
		})
	}
	b.table(rows)
	return nil
}

// inTurns runs two encodes three times each, in turns, and returns the mean of what they used.
func inTurns(a, b func() (targeted, error)) (ofA, ofB usage, err error) {
	const rounds = 3
	for range rounds {
		for _, one := range []struct {
			run func() (targeted, error)
			sum *usage
		}{{a, &ofA}, {b, &ofB}} {
			t, err := one.run()
			if err != nil {
				return ofA, ofB, err
			}
			one.sum.cpu += t.usage.cpu / rounds
		}
	}
	return ofA, ofB, nil
}

// equalQuality finds two neighbouring CRFs for a whole film, between which its mean quality is that of own, and what lies between them
// there: bytes by their logarithm, the rest linearly.
func equalQuality(own film.QualityReport, encode func(crf int) (targeted, error)) (between targeted, crf float64, err error) {
	tried := map[int]targeted{}
	at := func(crf int) targeted {
		if _, ok := tried[crf]; !ok && err == nil {
			tried[crf], err = encode(crf)
		}
		return tried[crf]
	}
	low := int((own.MinCRF + own.MaxCRF) / 2)
	for err == nil && at(low).report.Mean < own.Mean && low > 1 {
		low--
	}
	for err == nil && at(low+1).report.Mean >= own.Mean && low < 60 {
		low++
	}
	if err != nil {
		return between, 0, err
	}
	better, worse := tried[low], tried[low+1]
	part := (better.report.Mean - own.Mean) / (better.report.Mean - worse.report.Mean)
	mix := func(a, b float64) float64 { return a + (b-a)*part }
	between = better
	between.bytes = math.Exp(mix(math.Log(better.bytes), math.Log(worse.bytes)))
	between.report.Mean, between.report.Worst = mix(better.report.Mean, worse.report.Mean), mix(better.report.Worst, worse.report.Worst)
	return between, float64(low) + part, nil
}

// encodeTargeted runs mapreel transcode and reads its report.
func (b bench) encodeTargeted(ctx context.Context, source string, flags []string) (t targeted, err error) {
	dir, err := b.emptyDir("target")
	if err != nil {
		return t, err
	}
	args := append([]string{
		"transcode", source, "-o", filepath.Join(dir, "out.mp4"), "--scratch", filepath.Join(dir, "scratch"),
		"--progress", "json", "--segment", b.segment.String(),
	}, flags...)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, b.mapreel, args...)
	cmd.Stdout = &out
	if t.usage, err = measure(cmd); err != nil {
		return t, err
	}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Type    string             `json:"type"`
			Outputs []film.OutputFacts `json:"outputs"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Type != "report" || len(line.Outputs) != 1 {
			continue
		}
		o := line.Outputs[0]
		t.bytes = float64(o.Size)
		if q := o.Video[0].Quality; q != nil {
			t.report = *q
		}
		return t, nil
	}
	return t, fmt.Errorf("%s: no report in what mapreel prints", strings.Join(args, " "))
}

package verify

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
)

// Job is what the job that made an output says of it. It excuses what the job warned about, and shows where encoders met;
// nothing else is taken from it.
type Job struct {
	Seams    []time.Duration // where segments meet, after the first frame
	Warnings []string
	Part     film.Part            // of the source that the output shows
	Chosen   film.Chosen          // the tracks of the source that the output has
	Beside   []subtitle.File      // further subtitle tracks of the source
	Rate     media.Rational       // frames a second of a raw source, as the request gave them
	Crop     film.Region          // of the source's frame that the output shows
	Filter   string               // of ffmpeg, which the frames went through
	Burn     *film.BurntSubtitles // drawn into the picture; nil: nothing is
	Overlay  overlay.Laid         // over every frame
	Picture  film.Region          // of the output's frame that is not padding
	Quality  *film.QualityReport  // of its only rendition, where that had a target
}

// ReadJob reads the report of a job on an output, given by its path: the last line of what --progress json prints. data
// may have the lines before it.
func ReadJob(data []byte, output string) (Job, error) {
	type reported struct {
		Type     string             `json:"type"`
		Outputs  []film.OutputFacts `json:"outputs"`
		Warnings []string           `json:"warnings"`
	}
	var report reported
	for line := range bytes.Lines(data) {
		var r reported
		if json.Unmarshal(line, &r) == nil && r.Type == "report" {
			report = r
		}
	}
	if report.Type == "" && json.Unmarshal(data, &report) != nil || report.Type != "report" {
		return Job{}, fault.New(fault.Invalid, "the file holds no report of a job, which is the last line of mapreel transcode --progress json")
	}
	names := func(url string) bool {
		path := strings.TrimPrefix(url, "file://")
		return url != "" && (path == output || filepath.Base(path) == filepath.Base(output))
	}
	at := slices.IndexFunc(report.Outputs, func(o film.OutputFacts) bool { return names(o.URL) || names(o.Manifest) })
	if at < 0 {
		return Job{}, fault.New(fault.Invalid, "the report is of a job that did not make %s", filepath.Base(output))
	}
	if n := report.Outputs[at].Joined; n > 0 {
		return Job{}, fault.New(fault.Unsupported, "%s was joined from %d sources, and an output is verified against one", filepath.Base(output), n)
	}
	job := Job{Warnings: report.Warnings, Rate: report.Outputs[at].Rate, Chosen: report.Outputs[at].Chosen, Beside: report.Outputs[at].SubtitleFiles}
	if part := report.Outputs[at].Part; part != nil {
		job.Part = *part
	}
	for _, video := range report.Outputs[at].Video {
		job.Crop, job.Filter, job.Overlay, job.Burn = video.Crop, video.Filter, video.Overlay, video.Burn
		if len(report.Outputs[at].Video) == 1 {
			job.Picture, job.Quality = video.Picture, video.Quality
		}
	}
	for _, s := range report.Outputs[at].Seams {
		job.Seams = append(job.Seams, time.Duration(s))
	}
	return job, nil
}

// addSeams marks the keyframes at which segments meet. A segment begins with a keyframe; where none is near, the place is
// added.
func (p *Video) addSeams(times []time.Duration) {
	const near = time.Millisecond // containers round
	for _, at := range times {
		i := slices.IndexFunc(p.Seams, func(s Seam) bool { return (time.Duration(s.At) - at).Abs() <= near })
		if i < 0 {
			p.Seams = append(p.Seams, Seam{At: film.Seconds(at)})
			i = len(p.Seams) - 1
		}
		p.Seams[i].Joined = true
	}
	slices.SortFunc(p.Seams, func(a, b Seam) int { return int(min(max(a.At-b.At, -1), 1)) })
}

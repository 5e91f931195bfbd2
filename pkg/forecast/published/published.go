// Package published compares forecasts with what others have published of jobs on AWS.
//
//	rows, err := published.Rows(ctx)
//
// Each set of rows has constants of its own that its authors do not give, such as what an encoder takes. These are fitted to as many
// rows as there are constants, which are marked; all other rows are checks.
package published

import (
	"context"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/forecast"
	"github.com/mapreel/mapreel/pkg/price"
)

// Row is a published figure.
type Row struct {
	Source, What string
	Fitted       bool // a constant was chosen so that this row is right
	Published    float64
	Forecast     float64
	Unit         string // "s" or "USD"
}

// Error returns how far the forecast is off, as a share of what was published.
func (r Row) Error() float64 { return r.Forecast/r.Published - 1 }

// Constants says what was fitted, for people.
type Constants []string

// Rows returns all rows, and what was fitted.
func Rows(ctx context.Context) ([]Row, Constants, error) {
	var rows []Row
	var all Constants
	for _, set := range []func(context.Context) ([]Row, string, error){hourOf4K, matroska, bento, audio2srt} {
		more, fitted, err := set(ctx)
		if err != nil {
			return nil, nil, err
		}
		rows, all = append(rows, more...), append(all, fitted)
	}
	return rows, all, nil
}

// certain are conditions without chance: what was published is one run, or a mean.
func certain(memory int64) forecast.Conditions {
	return forecast.Conditions{Speed: 1, BatchSpeed: 1, Spread: 1e-9, Memory: map[string]int64{"": memory}, Disk: map[string]int64{"": 512}}
}

// job is one that splits a source, encodes the pieces and joins them. Serial is what the first and the last take together, while one
// function moves bytes.
func job(workers int, work, serial, network float64) forecast.Job {
	move := int64(serial / 2 * network)
	one := func(class string) forecast.Phase {
		return forecast.Phase{Name: class, Units: []forecast.Unit{{Class: class, Route: "lambda", Threads: 1, Move: move}}}
	}
	encode := forecast.Phase{Name: "encode"}
	for range workers {
		encode.Units = append(encode.Units, forecast.Unit{Class: "encode", Route: "lambda", Threads: 6, Work: seconds(work)})
	}
	return forecast.Job{Phases: []forecast.Phase{one("split"), encode, one("merge")}, Concurrency: 1000}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// network is the rate at which a function moves bytes in conditions that say nothing else.
const network = 75e6

// run returns what a job takes, in seconds.
func run(ctx context.Context, j forecast.Job, c forecast.Conditions) (forecast.Result, error) {
	m, err := forecast.Default()
	if err != nil {
		return forecast.Result{}, err
	}
	r, err := forecast.Simulate(ctx, m, j, c, 1)
	if err == nil && r.Failed != "" && r.Failed != "OutOfTime" {
		err = fmt.Errorf("the simulated job ended with %s", r.Failed)
	}
	return r, err
}

// cpus is how many processors a function of so much memory has.
func cpus(memory int64) float64 { return float64(memory) / 1769 }

// hourOf4K is an hour of 4K (6.8 GB) to 720p on 30 functions of 1 to 10 GB: bnusunny/serverless-video-transcoder, with EFS. What a
// function takes of processors, and how long source and result are moved by one function, follow from the first and the last row.
func hourOf4K(ctx context.Context) ([]Row, string, error) {
	const name, workers = "1 h of 4K to 720p on 30 functions", 30
	times := []float64{730.6, 378.4, 265.7, 213.0, 183.9, 157.2, 140.1, 131.1, 124.4, 119.4}
	first, last := int64(1024), int64(10240)
	base, err := run(ctx, job(workers, 0, 0, network), certain(last))
	if err != nil {
		return nil, "", err
	}
	work := (times[0] - times[9]) / (1/cpus(first) - 1/cpus(last))
	serial := times[9] - base.Wall.Seconds() - work/cpus(last)
	var rows []Row
	for i, published := range times {
		memory := int64(i+1) * 1024
		r, err := run(ctx, job(workers, work, serial, network), certain(memory))
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, Row{name, fmt.Sprintf("%d GB each", i+1), i == 0 || i == 9, published, r.Wall.Seconds(), "s"})
		if i == 9 {
			rows = append(rows, Row{name, "cost at 10 GB", false, 0.293, dollars(r), "USD"})
		}
	}
	return rows, fmt.Sprintf("%s: %.0f s of a processor for each function (%.1f frames of a film with 25 a second on each), and %.0f s in which one function moves 6.8 GB", name, work,
		3600*25/workers/work, serial), nil
}

// dollars returns what a job costs.
func dollars(r forecast.Result) float64 {
	return float64(price.Default().Bill(r.Sum).Total) / float64(price.Dollar)
}

// matroska is a 1 GB MKV in 185 s, which takes 4,320 s on a large t2 instance with two vCPUs: A Cloud Guru, 2020, on functions of
// 3,008 MB. Nothing is fitted: the instance says what an encoder takes. How many hundreds of segments there were is not said; here
// there are 200.
func matroska(ctx context.Context) ([]Row, string, error) {
	const published, instance, segments, size = 185, 4320, 200, 1e9
	r, err := run(ctx, job(segments, instance*2.0/segments, 4*size/network, network), certain(3008))
	return []Row{{"1 GB MKV", "200 functions of 3,008 MB", false, published, r.Wall.Seconds(), "s"}},
		"1 GB MKV: nothing; the work is that of the instance with two vCPUs it is compared with, and the source is read and written twice by one function", err
}

// bento is bento-video.github.io, on S3. Of its films only the size is known. What a megabyte takes of the function that joins the
// pieces follows from the first and the third row.
func bento(ctx context.Context) ([]Row, string, error) {
	films := []struct {
		what      string
		mb        float64
		published float64
		fitted    bool
	}{
		{"60 MB, 1080p", 60, 54, true}, {"140 MB, 720p", 140, 80, false}, {"1 GB, 1080p", 1000, 649, true}, {"2 GB, 4K", 2000, 796, false},
	}
	base, err := run(ctx, job(100, 0, 0, network), certain(3008))
	if err != nil {
		return nil, "", err
	}
	serial := (films[2].published - films[0].published) / (films[2].mb - films[0].mb)
	work := max(films[0].published-base.Wall.Seconds()-serial*films[0].mb, 0) * cpus(3008)
	var rows []Row
	for _, f := range films {
		r, err := run(ctx, job(100, work, serial*f.mb, network), certain(3008))
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, Row{"Bento", f.what, f.fitted, f.published, r.Wall.Seconds(), "s"})
	}
	return rows, fmt.Sprintf("Bento: %.2f s for each megabyte of the source in functions that work alone, and %.0f s of a processor for each segment; the length of its films is not published", serial, work), nil
}

// audio2srt is SCAR's speech recogniser on functions of 1 GB, with one thread: six minutes of sound in 753 s, eight exceed 15 minutes.
func audio2srt(ctx context.Context) ([]Row, string, error) {
	const limit, six, memory = 900, 753, 1024
	c := certain(memory)
	c.TimeOut = limit * time.Second
	c.Examine, c.Finish = time.Millisecond, time.Millisecond
	sound := func(minutes float64, work float64, route string) (forecast.Result, error) {
		unit := forecast.Unit{Class: "audio", Route: route, Threads: 1, Work: seconds(work * minutes)}
		return run(ctx, forecast.Job{Phases: []forecast.Phase{{Name: "sound", Units: []forecast.Unit{unit}}, {Name: "merge"}}, Concurrency: 1}, c)
	}
	base, err := sound(6, 0, "lambda")
	if err != nil {
		return nil, "", err
	}
	work := (six - base.Wall.Seconds()) * cpus(memory) / 6
	const name = "SCAR, audio2srt at 1 GB"
	r, err := sound(6, work, "lambda")
	if err != nil {
		return nil, "", err
	}
	rows := []Row{{name, "6 min of sound", true, six, r.Wall.Seconds(), "s"}}
	if r, err = sound(8, work, "lambda"); err != nil {
		return nil, "", err
	}
	took := r.Wall.Seconds()
	if r.Failed == "OutOfTime" {
		took = limit
	}
	rows = append(rows, Row{name, "8 min of sound, until it is timed out", false, limit, took, "s"})
	return rows, fmt.Sprintf("%s: %.0f s of a processor for a minute. When Batch has an instance (167 s) and it takes jobs (129 s) are assumptions of every forecast, taken from the same paper", name, work), nil
}

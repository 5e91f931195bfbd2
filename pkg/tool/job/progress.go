package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/pace"
	"github.com/mapreel/mapreel/pkg/work"
)

// progressName is the name of the file in which a tool may report its progress. It lies in the tool's working folder, which is its own
// and which containers have, too.
const progressName = ".mapreel-progress"

const (
	progressInterval = 500 * time.Millisecond // between two reads of the file: about as often as ffmpeg reports
	progressBytes    = 32                     // the size of a report, at most
)

// progressSteps is how many steps a tool's work has for the prediction.
const progressSteps = 1_000_000

// progressFile returns the path of the file on this machine.
func (a *attempt) progressFile() string { return filepath.Join(a.work, progressName) }

// follow runs a tool and passes on the progress that it reports. It stops a tool that will miss its deadline, so that another worker gets the
// piece: see package pace. The deadline is that of the worker, as for encoders. Where a Batch job takes over, the tool's own timeout is a
// deadline, too: a tool that exceeds it is handed over as well.
func (a *attempt) follow(ctx context.Context, route work.Route, run func(context.Context) error) error {
	limit := pace.Left(ctx)
	if limit > 0 && route == work.RouteLambdaBatch {
		limit = min(limit, a.tool.TimeoutOf())
	}
	ctx, observe, stop := pace.Watch(ctx, pace.Work{
		Limit: limit, Total: progressSteps, Describe: func(done int64) string { return fmt.Sprintf("%.1f %% done", 100*float64(done)/progressSteps) },
		Hint: "give the tool shorter pieces, or let it run on Batch: mode batch or lambda-batch, in a deployment with -c batch=true",
	})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.watchProgress(ctx, observe)
	}()
	defer func() { stop(); <-watched }()
	return run(ctx)
}

// watchProgress passes the tool's progress on until ctx ends. Progress that goes backwards counts as none.
func (a *attempt) watchProgress(ctx context.Context, observe func(done int64)) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	most := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		fraction, err := readProgress(a.progressFile())
		done := int64(math.Round(fraction * progressSteps))
		if err == nil && done > most {
			most = done
			a.Progress(work.Amount{Media: media.Ticks(fraction * float64(a.piece.length()))})
		}
		observe(most)
	}
}

// fractionText matches a decimal number below 2. It may be cut short, because the tool may be writing it.
var fractionText = regexp.MustCompile(`^([01](\.[0-9]*)?|\.[0-9]+)$`)

var errNoProgress = errors.New("no number from 0 to 1")

// readProgress reads a file that an untrusted program writes: it may be a link or a pipe, have any size, and disappear at any time.
func readProgress(name string) (float64, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errNoProgress
	}
	data, err := io.ReadAll(io.LimitReader(f, progressBytes+1))
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(data))
	if len(data) > progressBytes || !fractionText.MatchString(text) {
		return 0, errNoProgress
	}
	fraction, err := strconv.ParseFloat(text, 64)
	if err != nil || fraction > 1 {
		return 0, errNoProgress
	}
	return fraction, nil
}

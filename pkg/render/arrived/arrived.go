// Package arrived finds the frames of a scene that are stored already, while others are rendered.
//
//	list, err := arrived.In(scratch).Latest(ctx, record.ID, plan.Doc)
package arrived

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
)

// Latest is how many frames List names.
const Latest = 8

// List says which frames of a job are stored. The zero value is that of a job that renders nothing.
type List struct {
	Frames  int   `json:"frames"`  // of the job
	Arrived int   `json:"arrived"` // of these, how many are stored
	Latest  []int `json:"latest"`  // the numbers of the newest ones, the newest first
}

// Frames reads the frames of jobs from the store of their artifacts.
type Frames struct{ store blob.Store }

// In returns the frames in a store.
func In(store blob.Store) *Frames { return &Frames{store} }

// Latest lists the frames of a job that are stored, given what its plan says of it. A frame that is being written is not listed. Nor is
// any once the job is done, because its artifacts are removed.
func (f *Frames) Latest(ctx context.Context, job string, doc json.RawMessage) (List, error) {
	list := List{Latest: []int{}}
	numbers, format, err := framesOf(doc)
	if err != nil || len(numbers) == 0 {
		return list, err
	}
	list.Frames = len(numbers)
	type frame struct {
		number int
		at     time.Time
	}
	var frames []frame
	prefix := job + "/" + render.Kind + "/"
	for info, err := range blob.ListFolder(ctx, f.store, prefix) {
		if err != nil {
			return list, err
		}
		place, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(info.Key, prefix), "."+format.Extension()))
		if err != nil || place < 0 || place >= len(numbers) || info.Key != render.Key(job, place, format) { // a tile, or the sound
			continue
		}
		frames = append(frames, frame{numbers[place], info.Modified})
	}
	list.Arrived = len(frames)
	slices.SortFunc(frames, func(a, b frame) int { return cmp.Or(b.at.Compare(a.at), b.number-a.number) })
	for _, f := range frames[:min(len(frames), Latest)] {
		list.Latest = append(list.Latest, f.number)
	}
	return list, nil
}

// Open opens a frame of a job by its number, as PNG: see render.ShowEXR for the others. A frame that is not stored, or not of the job, gives an
// error of kind fault.NotFound.
func (f *Frames) Open(ctx context.Context, job string, doc json.RawMessage, number int) (io.ReadCloser, error) {
	numbers, format, err := framesOf(doc)
	if err != nil {
		return nil, err
	}
	place, found := slices.BinarySearch(numbers, number)
	if !found {
		return nil, fault.New(fault.NotFound, "the job renders no frame %d", number)
	}
	r, err := f.store.Open(ctx, render.Key(job, place, format), 0, -1)
	if err != nil || !format.Linear() {
		return r, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	shown, err := render.ShowEXR(data)
	return io.NopCloser(bytes.NewReader(shown)), fault.Wrap(fault.Corrupt, err, "show a frame")
}

// framesOf returns the numbers of the frames that a job renders, and their format; none where its source is no scene.
func framesOf(doc json.RawMessage) ([]int, render.Format, error) {
	var j struct {
		Render *render.Job `json:"render"`
	}
	if err := json.Unmarshal(doc, &j); err != nil || j.Render == nil {
		return nil, "", nil //nolint:nilerr // the plan of another planner may be anything
	}
	numbers, err := render.ParseFrames(j.Render.Frames, 1)
	return numbers, j.Render.Settings.Format, fault.Wrap(fault.Corrupt, err, "frames of the job")
}

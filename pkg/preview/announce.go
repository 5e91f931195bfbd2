package preview

import (
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// NewSlice is the type of the announcement of a finished slice.
const NewSlice = "newSlice"

// SliceNews is the detail of such an announcement: a file that can be shown. Times are seconds from the film's first frame.
type SliceNews struct {
	Form   film.Container `json:"form"`
	Key    string         `json:"key"` // of the first file, relative to the destination
	Files  int            `json:"files"`
	Start  film.Seconds   `json:"start"`
	End    film.Seconds   `json:"end"`
	Length film.Seconds   `json:"length"`
}

// announce returns the news that the slice is finished.
func (a *attempt) announce(files []film.PreviewEntry) ([]work.Announcement, error) {
	if len(files) == 0 {
		return nil, nil
	}
	detail, err := json.Marshal(SliceNews{
		Form: a.plan.Form, Key: a.out.Folder + "/" + files[0].Path, Files: len(files),
		Start: seconds(a.slice.Start), End: seconds(a.slice.End), Length: seconds(a.slice.End - a.slice.Start),
	})
	return []work.Announcement{{Type: NewSlice, Detail: detail}}, fault.Wrap(fault.Internal, err, "news of a slice")
}
